// SPDX-License-Identifier: GPL-2.0
/*
 * Two programs' worth of /dev/dma_mmap in one: after a copy in the first open
 * file, a second is opened and written to. What does the first one's mapping show?
 * Then each asks for one more copy.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dma_mmap.h"

static char *open_and_map(int *fd)
{
	char *mapping;

	*fd = open("/dev/dma_mmap", O_RDWR);
	mapping = mmap(NULL, DMA_MMAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (*fd < 0 || mapping == MAP_FAILED) {
		perror("/dev/dma_mmap");
		exit(EXIT_FAILURE);
	}
	return mapping;
}

static void copy(int fd)
{
	struct dma_mmap_copy request = { .len = 16 };

	if (ioctl(fd, DMA_MMAP_COPY, &request))
		perror("ioctl");
}

int main(void)
{
	char *mine, *other;
	int fd, other_fd;

	mine = open_and_map(&fd);
	strcpy(mine, "my own");
	copy(fd);
	other = open_and_map(&other_fd);
	printf("the second file begins with: %s\n", *other ? other : "nothing");
	strcpy(other, "somebody else's");
	printf("the first file reads: %s\n", mine);
	fflush(stdout);
	copy(fd);
	copy(other_fd);
	return EXIT_SUCCESS;
}
