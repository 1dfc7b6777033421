// SPDX-License-Identifier: GPL-2.0
/*
 * Lab 2's story, told by the program that has it done.
 *
 * Two pieces of the driver's memory appear in this program's own: the source and
 * the destination. Text is stored in the one as in any array; no write() takes it
 * to the kernel. One ioctl() asks for the copy, the DMA engine makes it, and the
 * other array has the text; no read() brings it back.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma_mmap.h"

#define DEVICE		"/dev/dma_mmap"
#define SHOWN		60	/* bytes of a text that are printed: a line's worth */

static void explain_usage(FILE *out)
{
	fprintf(out,
		"usage: dma_mmap_app [TEXT]\n"
		"Has the DMA engine copy TEXT, or standard input when there is none, from one\n"
		"mapping of %s to another, and shows what came of it. Up to %d bytes.\n"
		"A TEXT that begins with \"-\" goes after \"--\".\n",
		DEVICE, DMA_MMAP_SIZE);
}

/* What to do about it, where that is plain. */
static const char *remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "\nIs the module loaded? See insmod driver/dma_mmap_driver.ko, and dmesg.";
	case EACCES:
		return "\nOnly root may open it, unless chmod has said otherwise: try sudo.";
	case ENOTTY:
		return "\nDoes the driver handle DMA_MMAP_COPY? See dma_mmap.h.";
	case ETIMEDOUT:
		return "\nThe engine did not end within the module's timeout_ms: see dmesg.";
	default:
		return "";
	}
}

static void die(const char *what)
{
	int error = errno;
	const char *name = strerrorname_np(error);

	fflush(stdout);
	fprintf(stderr, "dma_mmap_app: %s: %s (%s)%s\n", what, strerror(error),
		name ? name : "no name", remedy(error));
	exit(EXIT_FAILURE);
}

static void give_up(const char *why)
{
	fflush(stdout);
	fprintf(stderr, "dma_mmap_app: %s\n", why);
	exit(EXIT_FAILURE);
}

static unsigned char *map(int fd, off_t offset, const char *what)
{
	void *mapping = mmap(NULL, DMA_MMAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (mapping == MAP_FAILED)
		die(what);
	return mapping;
}

/* Straight into the mapping: read(2) fills it like any other memory. */
static size_t take_input(unsigned char *src)
{
	size_t len = 0;
	ssize_t got;
	char more;

	if (isatty(STDIN_FILENO))
		fprintf(stderr, "The text, please; Ctrl-D at the start of a line ends it.\n");
	do {
		if (len < DMA_MMAP_SIZE)
			got = read(STDIN_FILENO, src + len, DMA_MMAP_SIZE - len);
		else
			got = read(STDIN_FILENO, &more, 1);
		if (got < 0)
			die("standard input");
		len += got;
	} while (got && len <= DMA_MMAP_SIZE);
	return len;
}

static size_t take_text(unsigned char *src, const char *text)
{
	size_t len = strlen(text);

	if (len <= DMA_MMAP_SIZE)
		memcpy(src, text, len);
	return len;
}

/* Any bytes can come: what is no plain character is shown as its code. */
static void show(const char *what, const unsigned char *text, size_t len)
{
	size_t i;

	printf("%s: \"", what);
	for (i = 0; i < len && i < SHOWN; i++) {
		if (text[i] == '\n')
			printf("\\n");
		else if (text[i] < ' ' || text[i] > '~')
			printf("\\x%02x", text[i]);
		else
			putchar(text[i]);
	}
	puts(len > SHOWN ? "\" and so on" : "\"");
}

static void copy(int fd, size_t len)
{
	struct dma_mmap_copy request = { .len = len };

	if (ioctl(fd, DMA_MMAP_COPY, &request))
		die(DEVICE ": ioctl(DMA_MMAP_COPY)");
	printf("ioctl(DMA_MMAP_COPY) has copied %zu bytes.\n", len);
}

/*
 * The text is what it was before the ioctl(), or a copy in the wrong direction would
 * do. The destination was zero at open(), and has to be behind the text.
 */
static void check(const unsigned char *text, const unsigned char *src,
		  const unsigned char *dst, size_t len)
{
	size_t i;

	if (memcmp(text, src, len))
		give_up("the source has changed");
	if (memcmp(text, dst, len))
		give_up("the destination is not what the source is");
	for (i = len; i < DMA_MMAP_SIZE; i++)
		if (dst[i])
			give_up("the destination has changed behind the text, too");
	puts("Both are the same, and what follows in the destination is still zero.");
}

int main(int argc, char **argv)
{
	static unsigned char text[DMA_MMAP_SIZE];
	unsigned char *src, *dst;
	size_t len;
	int fd, opt;

	while ((opt = getopt(argc, argv, "h")) != -1) {
		explain_usage(opt == 'h' ? stdout : stderr);
		return opt == 'h' ? EXIT_SUCCESS : 2;
	}
	if (argc - optind > 1) {
		explain_usage(stderr);
		return 2;
	}

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(DEVICE);
	src = map(fd, 0, DEVICE ": mmap() of the source");
	dst = map(fd, DMA_MMAP_SIZE, DEVICE ": mmap() of the destination");
	printf("%s: the source is mapped at %p, the destination at %p.\n", DEVICE, src, dst);

	len = optind < argc ? take_text(src, argv[optind]) : take_input(src);
	if (!len)
		give_up("there is no text to copy");
	if (len > DMA_MMAP_SIZE)
		give_up("the text is longer than the source, which has 65536 bytes");
	memcpy(text, src, len);
	show("Stored in the source", src, len);
	copy(fd, len);
	show("Read in the destination", dst, len);
	check(text, src, dst, len);

	if (munmap(dst, DMA_MMAP_SIZE) || munmap(src, DMA_MMAP_SIZE) || close(fd))
		die(DEVICE);
	if (fflush(stdout))
		die("standard output");
	return EXIT_SUCCESS;
}
