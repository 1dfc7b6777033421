// SPDX-License-Identifier: GPL-2.0
/*
 * reseed: has the kernel draw its random numbers from all that it knows by now.
 * What is written to /dev/urandom counts from then on, not some seconds later.
 */

#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(void)
{
	int fd = open("/dev/urandom", O_WRONLY);

	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG)) {
		perror("reseed: /dev/urandom");
		return 1;
	}
	return 0;
}
