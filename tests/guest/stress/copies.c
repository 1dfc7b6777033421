// SPDX-License-Identifier: GPL-2.0
/*
 * A copy by one of the labs' drivers, and whether it came out right
 *
 * Its bytes are made from a number which they begin with, and from their length: so
 * whoever finds them can tell whether they are whole, and whose.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "copies.h"
#include "dma_mmap.h"
#include "dma_sg.h"

#define M2M_SIZE	65536
#define SG_SIZE		(128 * 1024)
#define BESIDE		0xa5	/* what stands in the destination before a copy */

static const struct {
	const char *name;
	const char *path;
	const char *module;
	size_t room;
} devices[] = {
	[M2M] = { "m2m", "/dev/dma_m2m_misc_dev", "dma_m2m", M2M_SIZE },
	[MMAP] = { "mmap", "/dev/dma_mmap", "dma_mmap_driver", DMA_MMAP_SIZE },
	[SG] = { "sg", "/dev/dma_sg", "dma_sg_driver", SG_SIZE },
};

enum device device;
__thread unsigned int thread_number;
__thread unsigned int operation;

void wrong(const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	dprintf(STDOUT_FILENO, "thread %u, operation %u: %s\n", thread_number, operation, message);
	_exit(1);
}

/* xorshift64*, by Marsaglia and Vigna: a state that is not 0 never becomes so. */
__u64 draw(__u64 *state, __u64 below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1d >> 16) % below;
}

unsigned long number(const char *word, unsigned long least)
{
	char *end;
	unsigned long n = strtoul(word, &end, 0);

	if (!*word || *end || n < least)
		wrong("\"%s\": a count of %lu or more is due here", word, least);
	return n;
}

/* ---- bytes ---------------------------------------------------------------- */

/* Eight bytes at a time; the first eight are the seed, four of the next the length. */
static __u64 word_at(size_t at, size_t len, __u64 seed, __u64 *state)
{
	if (!at)
		return seed;
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return at == 8 ? (__u64)len << 32 | *state >> 32 : *state ^ *state >> 29;
}

void fill(unsigned char *p, size_t len, __u64 seed)
{
	__u64 state = seed, word;

	for (size_t at = 0; at < len; at += 8) {
		word = word_at(at, len, seed, &state);
		memcpy(p + at, &word, len - at < 8 ? len - at : 8);
	}
}

/* The first bytes of so many. */
void check(const unsigned char *p, size_t first, size_t len, __u64 seed)
{
	__u64 state = seed, word, found;
	size_t n;

	for (size_t at = 0; at < first; at += 8) {
		word = word_at(at, len, seed, &state);
		n = first - at < 8 ? first - at : 8;
		if (!memcmp(p + at, &word, n))
			continue;
		found = 0;
		memcpy(&found, p + at, n);
		wrong("%zu bytes were copied, from %zu on wrong ones: %016llx, not %016llx",
		      len, at, found, word);
	}
}

/* ---- files ---------------------------------------------------------------- */

void choose_device(const char *name)
{
	for (device = M2M; device <= SG; device++)
		if (!strcmp(name, devices[device].name))
			return;
	wrong("there is no device \"%s\"", name);
}

const char *module_of_device(void)
{
	return devices[device].module;
}

int open_device(void)
{
	int fd = open(devices[device].path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		wrong("open: %s", strerror(errno));
	return fd;
}

static void *map(void *at, size_t len, int flags, int fd)
{
	void *p = mmap(at, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
	return p;
}

/* One of lab 3's windows ends, and the next begins, in the middle of it. */
static unsigned char *around_a_window(size_t room)
{
	size_t all = 2 * DMA_SG_WINDOW;
	unsigned char *p = map(NULL, all, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	size_t begin = -((uintptr_t)p + room / 2) % DMA_SG_WINDOW;

	munmap(p, begin);
	munmap(p + begin + room, all - begin - room);
	return p + begin;
}

void open_client(struct client *c)
{
	c->fd = open_device();
	c->room = devices[device].room;
	if (device == MMAP) {
		c->src = map(NULL, 2 * c->room, MAP_SHARED, c->fd);
		c->dst = c->src + c->room;
		return;
	}
	c->src = map(NULL, c->room, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	c->dst = device == SG ? around_a_window(c->room) :
		 map(NULL, c->room, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

void close_client(struct client *c, bool file_first)
{
	if (file_first)
		close(c->fd);
	munmap(c->src, c->room);
	munmap(c->dst, c->room);
	if (!file_first)
		close(c->fd);
}

/* ---- copies --------------------------------------------------------------- */

void choose(struct client *c, __u64 *state, size_t least)
{
	size_t most = draw(state, 4) ? 6000 : c->room / 2;

	c->from = device == SG ? draw(state, c->room / 2) : 0;
	c->to = device == SG ? draw(state, c->room / 2) : 0;
	c->len = least + draw(state, most - least);
	c->seed = draw(state, ~0ULL);
	fill(c->src + c->from, c->len, c->seed);
	memset(c->dst, BESIDE, c->room);
}

static int ask_m2m(const struct client *c, int fd)
{
	ssize_t n = write(fd, c->src, c->len);

	if (n < 0)
		return errno;
	if ((size_t)n != c->len)
		wrong("write() of %zu bytes took %zd", c->len, n);
	return 0;
}

static int ask_sg(struct client *c, int fd)
{
	struct dma_sg_copy copy = {
		.src = (uintptr_t)c->src + c->from,
		.dst = (uintptr_t)c->dst + c->to,
		.len = c->len,
	};
	int error = ioctl(fd, DMA_SG_COPY, &copy) ? errno : 0;

	if (copy.copied > c->len || (!error && copy.copied != c->len))
		wrong("DMA_SG_COPY of %zu bytes says %llu: %s", c->len, copy.copied,
		      strerror(error));
	c->descriptors = copy.descriptors;
	c->copied = copy.copied;
	return error;
}

int ask(struct client *c, int fd)
{
	struct dma_mmap_copy copy = { .len = c->len };

	c->descriptors = 1;
	c->copied = 0;
	if (device == M2M)
		return ask_m2m(c, fd);
	if (device == SG)
		return ask_sg(c, fd);
	return ioctl(fd, DMA_MMAP_COPY, &copy) ? errno : 0;
}

/* What is read is whole, and who is alone reads what it wrote; else it is somebody's. */
static void look_at_m2m(const struct client *c, bool alone)
{
	ssize_t n = pread(c->fd, c->dst, c->room, 0);
	__u64 seed = c->seed;

	if (n < 0)
		wrong("read: %s", strerror(errno));
	if (alone && (size_t)n != c->len)
		wrong("%zu bytes were written, %zd read", c->len, n);
	if (!n)
		return;
	if (n < LEAST)
		wrong("%zd bytes were read: nobody wrote so few", n);
	if (!alone)
		memcpy(&seed, c->dst, sizeof(seed));
	check(c->dst, n, n, seed);
}

/* The first bytes of a copy are there, and no others have changed. */
static void look_at_first(const struct client *c, size_t first)
{
	check(c->dst + c->to, first, c->len, c->seed);
	for (size_t at = 0; at < c->room; at++)
		if (at - c->to >= first && c->dst[at] != BESIDE)
			wrong("%zu bytes of %zu were copied to %zu, and byte %zu has changed",
			      first, c->len, c->to, at);
}

void look_at(const struct client *c, bool alone)
{
	if (device == M2M)
		look_at_m2m(c, alone);
	else
		look_at_first(c, c->len);
}

/* A copy failed, by a dead engine: nothing came of it, but for lab 3's first windows. */
void look_at_nothing(const struct client *c)
{
	if (device != M2M)
		look_at_first(c, c->copied);
	else if (pread(c->fd, c->dst, c->room, 0))
		wrong("write() failed, and there is something to read");
}
