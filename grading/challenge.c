// SPDX-License-Identifier: GPL-2.0
/*
 * Copies what the host made up through a lab's device, and tells what came out.
 *
 * For each FILE, a line says that its copy begins, and a line has the bytes that
 * came back, or what failed. The first line has left the serial port before the
 * copy begins, and the second begins when the copy has ended: in a trace of all
 * that is written to registers, what the DMA controller was told for this copy
 * stands between the two.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "../labs/lab-2-dma-mmap/driver/dma_mmap.h"
#include "../labs/lab-3-sg/driver/dma_sg.h"

#define LEN_MAX		1400	/* bytes: in hexadecimal, less than a referee's line */
#define ENDS		8192	/* bytes between two ends of a scattered copy */

/* How a lab's device copies @len bytes from @in to @out; 0, or -1 with errno. */
struct device {
	const char *lab;
	const char *path;
	int (*copy)(int fd, const char *in, char *out, size_t len);
};

static int copy_m2m(int fd, const char *in, char *out, size_t len)
{
	if (write(fd, in, len) != (ssize_t)len)
		return -1;
	return read(fd, out, len) == (ssize_t)len ? 0 : -1;
}

static int copy_mmap(int fd, const char *in, char *out, size_t len)
{
	struct dma_mmap_copy request = { .len = len };
	char *both = mmap(NULL, 2 * DMA_MMAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int ret;

	if (both == MAP_FAILED)
		return -1;
	memcpy(both, in, len);
	ret = ioctl(fd, DMA_MMAP_COPY, &request);
	memcpy(out, both + DMA_MMAP_SIZE, len);
	munmap(both, 2 * DMA_MMAP_SIZE);
	return ret < 0 ? -1 : 0;
}

/* Both ends begin and end in the middle of a page. */
static int copy_sg(int fd, const char *in, char *out, size_t len)
{
	char *ends = mmap(NULL, 2 * ENDS, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dma_sg_copy request = { .len = len };
	char *src = ends + 4096 - len / 2, *dst = ends + ENDS + 4096 - len / 3;
	int ret;

	if (ends == MAP_FAILED)
		return -1;
	request.src = (unsigned long)src;
	request.dst = (unsigned long)dst;
	memcpy(src, in, len);
	ret = ioctl(fd, DMA_SG_COPY, &request);
	memcpy(out, dst, len);
	munmap(ends, 2 * ENDS);
	return ret < 0 ? -1 : 0;
}

static const struct device devices[] = {
	{ "lab-1-dma-m2m", "/dev/dma_m2m_misc_dev", copy_m2m },
	{ "lab-2-dma-mmap", "/dev/dma_mmap", copy_mmap },
	{ "lab-3-sg", "/dev/dma_sg", copy_sg },
	{ }
};

static void out_with_it(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static ssize_t read_file(const char *path, char *data)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, data, LEN_MAX);

	if (fd >= 0)
		close(fd);
	return len;
}

static void show(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned char)data[i]);
	puts("");
}

static int pose(const struct device *device, int number, const char *path)
{
	char in[LEN_MAX], out[LEN_MAX] = "";
	ssize_t len = read_file(path, in);
	int fd = open(device->path, O_RDWR);
	int ret;

	if (len < 0 || fd < 0) {
		printf("# challenge %d: %s: %s\n", number, len < 0 ? path : device->path,
		       strerror(errno));
		return -1;
	}
	printf("# challenge %d begins\n", number);
	out_with_it();
	ret = device->copy(fd, in, out, len);
	printf("# challenge %d: ", number);
	if (ret)
		puts(strerror(errno));
	else
		show(out, len);
	out_with_it();
	close(fd);
	return ret;
}

int main(int argc, char **argv)
{
	for (const struct device *device = devices; argc > 2 && device->lab; device++) {
		if (strcmp(argv[1], device->lab))
			continue;
		for (int n = 1; n < argc - 1; n++)
			if (pose(device, n, argv[n + 1]))
				return EXIT_FAILURE;
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: challenge LAB FILE...\n");
	return EXIT_FAILURE;
}
