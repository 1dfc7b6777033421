// SPDX-License-Identifier: GPL-2.0
/*
 * bench: what a copy costs, as a program sees it
 *
 * usage: bench NAME USERS SECONDS BYTES...
 *
 * Copies by one of the labs, or with the CPU, of each number of BYTES, by USERS threads at
 * once, each with its own file and buffers, for SECONDS, or with 0 for some copies; and
 * prints a line of CSV for each: see bench.sh. Nanoseconds are instructions where QEMU counts them.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dma_mmap.h"
#include "dma_sg.h"

#define USERS_MAX	64
#define HUGE		(2UL << 20)
#define AT_MOST		2000		/* operations of a size, by each user */
#define AT_LEAST	16
#define MANY		1000000		/* operations, whose times are kept */
#define ENOUGH		(32UL << 20)	/* bytes, which take fewer of a large size */

struct user {
	const struct copier *copier;
	pthread_t thread;
	int file;
	size_t bytes;
	unsigned char *from, *to;	/* with an offset in their mappings */
	unsigned char *from_map, *to_map;
	size_t mapped;
	unsigned int operations;
	unsigned long descriptors;	/* of one operation */
	unsigned long long begun, ended;
	unsigned long long *each;	/* nanoseconds of each, if they are wanted */
};

/* @step: as much as one call copies, at most; @offset: of the destination, odd or none */
struct copier {
	const char *name, *device;
	size_t step, offset;
	int flags;			/* for its buffers */
	void (*copy)(struct user *user, size_t at, size_t len);
};

static pthread_barrier_t all_are_there;

static void die(const char *format, ...)
{
	va_list words;

	fputs("bench: ", stderr);
	va_start(words, format);
	vfprintf(stderr, format, words);
	va_end(words);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* ---- the ways to copy --------------------------------------------------------- */

/* volatile: the compiler takes no two copies for one. */
static void *(*volatile copy_bytes)(void *to, const void *from, size_t len) = memcpy;

static void by_cpu(struct user *u, size_t at, size_t len)
{
	copy_bytes(u->to + at, u->from + at, len);
}

static void by_write(struct user *u, size_t at, size_t len)
{
	if (write(u->file, u->from + at, len) != (ssize_t)len)
		die("write() of %zu bytes: %s", len, strerror(errno));
	u->descriptors++;
}

static void by_mmap(struct user *u, size_t at, size_t len)
{
	struct dma_mmap_copy copy = { .len = len };

	(void)at;
	if (ioctl(u->file, DMA_MMAP_COPY, &copy))
		die("DMA_MMAP_COPY of %zu bytes: %s", len, strerror(errno));
	u->descriptors++;
}

static void by_sg(struct user *u, size_t at, size_t len)
{
	struct dma_sg_copy copy = {
		.src = (unsigned long)u->from + at,
		.dst = (unsigned long)u->to + at,
		.len = len,
	};

	if (ioctl(u->file, DMA_SG_COPY, &copy))
		die("DMA_SG_COPY of %zu bytes: %s", len, strerror(errno));
	u->descriptors += copy.descriptors;
}

static const struct copier copiers[] = {
	{ "memcpy-user", NULL, SIZE_MAX, 0, 0, by_cpu },
	{ "lab1-write", "/dev/dma_m2m_misc_dev", 65536, 0, 0, by_write },
	{ "lab2-ioctl", "/dev/dma_mmap", DMA_MMAP_SIZE, 0, 0, by_mmap },
	{ "lab3-pages", "/dev/dma_sg", SIZE_MAX, 0, 0, by_sg },
	{ "lab3-huge", "/dev/dma_sg", SIZE_MAX, 0, MAP_HUGETLB, by_sg },
	{ "lab3-odd", "/dev/dma_sg", SIZE_MAX, 1021, 0, by_sg },
	{ }
};

/* ---- memory ------------------------------------------------------------------- */

/*
 * Every other page first: then few that follow each other here do so in the machine's
 * memory, as in a program that has run for a while.
 */
static void touch(unsigned char *map, size_t len, size_t page)
{
	for (size_t at = page; at < len; at += 2 * page)
		map[at] = 1;
	for (size_t i = 0; i < len; i++)
		map[i] = i * 251 >> 3;
}

/*
 * Where a window of lab 3 could begin, as a huge page: a destination across such a boundary
 * takes one window more, and the kernel finds another place for it in each run.
 */
static unsigned char *map_aligned(size_t len, int flags)
{
	unsigned char *map = mmap(NULL, len + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = -(uintptr_t)map & (HUGE - 1);

	if (map == MAP_FAILED)
		return map;
	munmap(map, before);
	munmap(map + before + len, HUGE - before);
	return mmap(map + before, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
}

static unsigned char *map(struct user *u)
{
	size_t page = u->copier->flags & MAP_HUGETLB ? HUGE : (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *map;

	u->mapped = (u->bytes + u->copier->offset + page - 1) / page * page;
	map = map_aligned(u->mapped, u->copier->flags);
	if (map == MAP_FAILED)
		die("no memory of %zu bytes, in pages of %zu: %s", u->mapped, page,
		    strerror(errno));
	if (page != HUGE)
		madvise(map, u->mapped, MADV_NOHUGEPAGE);
	touch(map, u->mapped, page);
	return map;
}

static void begin(struct user *u)
{
	u->from_map = map(u);
	u->to_map = map(u);
	u->from = u->from_map;
	u->to = u->to_map + u->copier->offset;
	if (!u->copier->device)
		return;
	u->file = open(u->copier->device, O_RDWR);
	if (u->file < 0)
		die("%s: %s", u->copier->device, strerror(errno));
}

static void end(struct user *u)
{
	munmap(u->from_map, u->mapped);
	munmap(u->to_map, u->mapped);
	if (u->copier->device)
		close(u->file);
}

/* ---- measuring ---------------------------------------------------------------- */

static void once(struct user *u)
{
	size_t len;

	u->descriptors = 0;
	for (size_t at = 0; at < u->bytes; at += len) {
		len = u->bytes - at < u->copier->step ? u->bytes - at : u->copier->step;
		u->copier->copy(u, at, len);
	}
}

static void copy_all(struct user *u)
{
	unsigned long long begun = 0;

	for (unsigned int i = 0; i < u->operations; i++) {
		if (u->each)
			begun = now();
		once(u);
		if (u->each)
			u->each[i] = now() - begun;
	}
}

static void *one_of_many(void *data)
{
	struct user *u = data;

	pthread_barrier_wait(&all_are_there);
	u->begun = now();
	copy_all(u);
	u->ended = now();
	pthread_barrier_wait(&all_are_there);
	return NULL;
}

/* many_at_once: and the nanoseconds from the first one's begin to the last one's end. */
static unsigned long long many_at_once(struct user *users, int n)
{
	unsigned long long begun = -1, ended = 0;

	pthread_barrier_init(&all_are_there, NULL, n);
	for (int i = 0; i < n; i++)
		if (pthread_create(&users[i].thread, NULL, one_of_many, &users[i]))
			die("no thread for user %d", i);
	for (int i = 0; i < n; i++) {
		pthread_join(users[i].thread, NULL);
		if (users[i].begun < begun)
			begun = users[i].begun;
		if (users[i].ended > ended)
			ended = users[i].ended;
	}
	pthread_barrier_destroy(&all_are_there);
	return ended - begun;
}

/* One needs no thread, whose switches would be counted. */
static unsigned long long all_at_once(struct user *users, int n)
{
	unsigned long long begun = now();

	if (n > 1)
		return many_at_once(users, n);
	copy_all(users);
	return now() - begun;
}

/* The numbers behind the name in /proc/interrupts, of all that are called so. */
static unsigned long dma_irqs(void)
{
	unsigned long sum = 0;
	char line[1024], *at, *next;
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "DMA IRQ"))
			continue;
		for (at = strchr(line, ':') + 1; ; at = next) {
			unsigned long n = strtoul(at, &next, 10);

			if (next == at)
				break;
			sum += n;
		}
	}
	if (file)
		fclose(file);
	return sum;
}

/* Milliseconds that all processors together had something to do. */
static double busy(void)
{
	unsigned long user, nice, system, idle, iowait, irq, softirq;
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &system, &idle,
			    &iowait, &irq, &softirq) != 7)
		die("/proc/stat cannot be read");
	fclose(file);
	return (user + nice + system + irq + softirq) * 1000.0 / sysconf(_SC_CLK_TCK);
}

static int by_value(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

/* What as many of a user's sorted times are below, in thousandths. */
static unsigned long quantile(const struct user *u, unsigned int thousandths)
{
	return u->each[(u->operations - 1) * thousandths / 1000];
}

/* Of @count copies by @n users, which took @all nanoseconds. */
static void print_row(const struct user *u, int n, double count, double all, double busy_ms,
		      double irqs)
{
	char busy[32] = "";

	if (all >= 1e9)
		snprintf(busy, sizeof(busy), "%.0f", busy_ms * 1e6 / count);
	printf("%s,%zu,%d,%.0f,%.1f,%lu,%lu,%lu,%lu,%s,%.2f,%lu\n", u->copier->name, u->bytes, n,
	       count, all / count, quantile(u, 0), quantile(u, 500), quantile(u, 900),
	       quantile(u, 990), busy, irqs / count, u->descriptors);
}

static unsigned int how_many(size_t bytes)
{
	size_t n = ENOUGH / bytes;

	return n < AT_LEAST ? AT_LEAST : n > AT_MOST ? AT_MOST : n;
}

/* as_long_as: as many copies as take so many nanoseconds, more or less. */
static unsigned int as_long_as(struct user *u, double ns)
{
	unsigned long long begun;

	once(u);
	begun = now();
	once(u);
	ns /= now() - begun + 1;
	return ns < AT_LEAST ? AT_LEAST : ns > MANY ? MANY : ns;
}

static void measure(const struct copier *copier, size_t bytes, int n, unsigned int seconds)
{
	static struct user users[USERS_MAX];
	unsigned int operations = how_many(bytes);
	unsigned long irqs;
	double was_busy;
	unsigned long long all;

	for (int i = 0; i < n; i++) {
		users[i] = (struct user){
			.copier = copier, .bytes = bytes,
		};
		begin(&users[i]);
	}
	if (seconds)
		operations = as_long_as(&users[0], seconds * 1e9 / n);
	else
		once(&users[0]);
	for (int i = 0; i < n; i++)
		users[i].operations = operations;
	irqs = dma_irqs();
	was_busy = busy();
	all = all_at_once(users, n);
	was_busy = busy() - was_busy;
	irqs = dma_irqs() - irqs;

	users[0].each = calloc(operations, sizeof(unsigned long long));
	if (!users[0].each)
		die("no memory for the times of %u operations", operations);
	all_at_once(users, n);
	qsort(users[0].each, operations, sizeof(unsigned long long), by_value);
	print_row(&users[0], n, (double)operations * n, all, was_busy, irqs);
	free(users[0].each);
	for (int i = 0; i < n; i++)
		end(&users[i]);
}

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < least || n > most)
		die("\"%s\" does not lie from %lu to %lu", text, least, most);
	return n;
}

int main(int argc, char **argv)
{
	const struct copier *copier = copiers;
	int users;

	while (argc > 4 && copier->name && strcmp(argv[1], copier->name))
		copier++;
	if (argc < 5 || !copier->name)
		die("usage: bench NAME USERS SECONDS BYTES...: see the top of bench.c");
	users = number(argv[2], 1, USERS_MAX);
	for (int i = 4; i < argc; i++)
		measure(copier, number(argv[i], 1, 1UL << 30), users, number(argv[3], 0, 3600));
	return EXIT_SUCCESS;
}
