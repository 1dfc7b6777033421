// SPDX-License-Identifier: GPL-2.0
/*
 * dma_sg_app: copies a file's bytes from one buffer to another through /dev/dma_sg
 *
 * Reads the file into the first buffer, has the driver copy it to the second,
 * looks whether every byte arrived and none beside the copy changed, and shows
 * what the copy took.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma_sg.h"

#define DEVICE		"/dev/dma_sg"
#define HUGE		((size_t)2 * 1024 * 1024)	/* bytes in a huge page */
#define LEN_MAX		((size_t)1 << 30)
#define OFFSET_MAX	((size_t)65536)
#define GUARD		256	/* bytes that are watched on either side of the copy */
#define GUARD_BYTE	0xa5

/* What the command line asked for. */
static struct {
	bool huge;
	size_t offset;
	const char *file;	/* NULL for standard input */
	const char *name;	/* what messages call it */
} option;

/* Memory that begins on a huge page; @size of it may be used. */
struct buffer {
	unsigned char *at;
	size_t size;
};

static int explain_usage(FILE *out)
{
	fprintf(out,
		"usage: dma_sg_app [-H] [-o BYTES] [FILE]\n"
		"Reads FILE, or standard input, into memory, has " DEVICE " copy it to other\n"
		"memory by DMA, verifies the copy, and shows what it took.\n"
		"  -H        puts both on huge pages, where the kernel has some\n"
		"  -o BYTES  begins the destination that many bytes behind its page (up to %zu)\n"
		"Exit status: 0 copied and verified, 1 not, 2 usage.\n", OFFSET_MAX);
	return out == stdout ? EXIT_SUCCESS : 2;
}

/* Says what failed, with the error's name and what to do about it, if that is known. */
static int fail(const char *what, const char *remedy)
{
	const char *name = strerrorname_np(errno);

	fprintf(stderr, "dma_sg_app: %s: %s (%s)%s\n", what, strerror(errno),
		name ? name : "no name", remedy);
	return EXIT_FAILURE;
}

/* ---- memory -------------------------------------------------------------- */

/* Twice the alignment is asked for, so that a multiple of it is inside. */
static int allocate(struct buffer *buffer, size_t size)
{
	void *at = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return fail("memory", "");
	buffer->at = (void *)(((uintptr_t)at + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	buffer->size = size;
	if (!madvise(buffer->at, size, option.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return 0;
	/* A kernel without huge pages gives small ones unasked. */
	if (errno == EINVAL && !option.huge)
		return 0;
	return fail("huge pages", ": does this kernel have them? Leave -H out");
}

/* Reads all there is; the buffer grows to twice its size when it is full. */
static int read_all(int fd, struct buffer *buffer, size_t *len)
{
	struct buffer larger;
	ssize_t got;

	for (; (got = read(fd, buffer->at + *len, buffer->size - *len)); *len += got) {
		if (got < 0)
			return fail(option.name, "");
		if (*len + got < buffer->size)
			continue;
		if (buffer->size >= LEN_MAX) {
			errno = EFBIG;
			return fail(option.name, ": up to 1 GiB is copied at once");
		}
		if (allocate(&larger, 2 * buffer->size))
			return EXIT_FAILURE;
		memcpy(larger.at, buffer->at, buffer->size);
		munmap(buffer->at, buffer->size);
		*buffer = larger;
	}
	return 0;
}

static int read_file(struct buffer *buffer, size_t *len)
{
	int fd = option.file ? open(option.file, O_RDONLY) : STDIN_FILENO;
	int ret;

	if (fd < 0)
		return fail(option.name, "");
	ret = allocate(buffer, HUGE) || read_all(fd, buffer, len) ? EXIT_FAILURE : 0;
	close(fd);
	if (!ret && !*len) {
		fprintf(stderr, "dma_sg_app: %s is empty: there is nothing to copy\n", option.name);
		return EXIT_FAILURE;
	}
	return ret;
}

/* ---- the copy ------------------------------------------------------------ */

static const char *remedy(int error)
{
	switch (error) {
	case ENOENT:
		return ": is the module loaded? insmod driver/dma_sg_driver.ko";
	case EACCES:
		return ": try it with sudo";
	case ETIMEDOUT:
		return ": the DMA engine did not answer; dmesg tells more";
	case EOPNOTSUPP:
		return ": a step of the driver is not solved yet: see its TODOs";
	case ENOTTY:
		return ": was the driver built with another dma_sg.h?";
	default:
		return "";
	}
}

static int ask(struct dma_sg_copy *copy)
{
	char what[64];
	int fd = open(DEVICE, O_RDWR);
	int ret = 0;

	if (fd < 0)
		return fail(DEVICE, remedy(errno));
	if (ioctl(fd, DMA_SG_COPY, copy)) {
		snprintf(what, sizeof(what), DEVICE ": %llu of %llu bytes were copied",
			 copy->copied, copy->len);
		ret = fail(what, remedy(errno));
	}
	close(fd);
	return ret;
}

static int complain(const char *what, size_t at)
{
	fprintf(stderr, "dma_sg_app: wrong: byte %zu %s\n", at, what);
	return EXIT_FAILURE;
}

static int verify(const unsigned char *src, const unsigned char *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (dst[i] != src[i])
			return complain("of the copy is another than the file's", i);
	for (size_t i = 1; i <= GUARD; i++)
		if (dst[-i] != GUARD_BYTE)
			return complain("before the copy was written to", i);
	for (size_t i = 0; i < GUARD; i++)
		if (dst[len + i] != GUARD_BYTE)
			return complain("behind the copy was written to", i);
	return 0;
}

static void show(const struct dma_sg_copy *copy)
{
	printf("%llu bytes, from address %#llx to %#llx\n", copy->copied, copy->src, copy->dst);
	printf("  pages pinned at both ends   %8llu\n", copy->pages);
	printf("  segments, at both ends      %8llu\n", copy->segments);
	printf("  descriptors for the engine  %8llu\n", copy->descriptors);
	printf("  bytes copied by the CPU     %8llu\n", copy->cpu_bytes);
	printf("Verified: the copy is the same, and nothing beside it changed.\n");
}

/* The huge page before the destination is for the bytes that are watched there. */
static int copy_and_show(const struct buffer *src, size_t len)
{
	struct dma_sg_copy copy = { .src = (uintptr_t)src->at, .len = len };
	struct buffer memory;
	unsigned char *dst;

	if (allocate(&memory, HUGE + OFFSET_MAX + len + GUARD))
		return EXIT_FAILURE;
	dst = memory.at + HUGE + option.offset;
	memset(dst - GUARD, GUARD_BYTE, GUARD + len + GUARD);
	copy.dst = (uintptr_t)dst;
	if (ask(&copy))
		return EXIT_FAILURE;
	if (copy.copied != len) {
		fprintf(stderr, "dma_sg_app: wrong: the driver says %llu of %zu bytes\n",
			copy.copied, len);
		return EXIT_FAILURE;
	}
	if (verify(src->at, dst, len))
		return EXIT_FAILURE;
	show(&copy);
	return EXIT_SUCCESS;
}

static void parse_offset(const char *word)
{
	char *end;

	option.offset = strtoul(word, &end, 10);
	if (*end || end == word || *word == '-' || option.offset > OFFSET_MAX) {
		fprintf(stderr, "dma_sg_app: -o %s: that is no number of bytes from 0 to %zu\n",
			word, OFFSET_MAX);
		exit(2);
	}
}

static void parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "Hho:")) != -1) {
		if (opt == 'H')
			option.huge = true;
		else if (opt == 'o')
			parse_offset(optarg);
		else
			exit(explain_usage(opt == 'h' ? stdout : stderr));
	}
	if (argc - optind > 1)
		exit(explain_usage(stderr));
	if (optind < argc && strcmp(argv[optind], "-"))
		option.file = argv[optind];
	option.name = !option.file ? "standard input" : *option.file ? option.file : "\"\"";
}

int main(int argc, char **argv)
{
	struct buffer src;
	size_t len = 0;

	parse(argc, argv);
	if (read_file(&src, &len))
		return EXIT_FAILURE;
	if (copy_and_show(&src, len))
		return EXIT_FAILURE;
	if (fflush(stdout) || ferror(stdout))
		return fail("standard output", "");
	return EXIT_SUCCESS;
}
