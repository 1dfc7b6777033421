// SPDX-License-Identifier: GPL-2.0
/*
 * What the parts of dma_sg_test share: words, memory, and a copy that is checked
 *
 * Memory is small pages, 2 MiB aligned, unless it says otherwise. Where its pages
 * are, /proc/self/pagemap tells root.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testing.h"

#define PFN_MASK	((1ULL << 55) - 1)	/* of an entry in pagemap */

size_t page;
int device = -1;
static __thread __u64 state = 1;

/* ---- words --------------------------------------------------------------- */

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return FAILED;
}

int skip(const char *reason)
{
	puts(reason);
	return SKIPPED;
}

void die(const char *what)
{
	printf("The test itself is in trouble: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(TROUBLE);
}

const char *name_of(int error)
{
	const char *name = strerrorname_np(error);

	if (!error)
		return "success";
	return name ? name : "an errno without a name";
}

/* ---- random numbers ------------------------------------------------------ */

void seed(__u64 number)
{
	state = number * 2 + 1;
}

/* Marsaglia's xorshift: fast, which counts on an emulated machine. */
__u64 random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

size_t below(size_t bound)
{
	return (random64() >> 16) % bound;
}

void fill(unsigned char *at, size_t len)
{
	__u64 number;

	for (; len >= sizeof(number); at += sizeof(number), len -= sizeof(number)) {
		number = random64();
		memcpy(at, &number, sizeof(number));
	}
	number = random64();
	memcpy(at, &number, len);
}

/* ---- memory -------------------------------------------------------------- */

/* From an address that is a multiple of 2 MiB; what is around it is not there. */
unsigned char *reserve(size_t len, int prot, int flags)
{
	size_t whole = len + 2 * HUGE;
	unsigned char *at, *start;

	at = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		die("mmap");
	start = (unsigned char *)(((size_t)at + HUGE - 1) & ~(HUGE - 1));
	if (mmap(start, len, prot, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap");
	return start;
}

static void advise(unsigned char *at, size_t len, int advice)
{
	/* EINVAL: a kernel without huge pages, which is well for small ones. */
	if (madvise(at, len, advice) && errno != EINVAL)
		die("madvise");
}

unsigned char *memory(size_t len)
{
	unsigned char *at = reserve(len, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	advise(at, len, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < len; i += page)
		at[i] = 1;
	return at;
}

/*
 * The kernel gives pages out one behind the other: touching every other page
 * first leaves no two neighbours side by side.
 */
unsigned char *scattered(size_t len)
{
	unsigned char *at = reserve(len, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	advise(at, len, MADV_NOHUGEPAGE);
	for (size_t first = 0; first < 2; first++)
		for (size_t i = first * page; i < len; i += 2 * page)
			at[i] = 1;
	return at;
}

unsigned char *huge(size_t len)
{
	unsigned char *at = reserve(len, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	advise(at, len, MADV_HUGEPAGE);
	for (size_t i = 0; i < len; i += page)
		at[i] = 1;
	return at;
}

static __u64 look_up(const char *table, size_t index)
{
	__u64 entry;
	int fd = open(table, O_RDONLY);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), index * sizeof(entry)) != sizeof(entry))
		die(table);
	close(fd);
	return entry;
}

static __u64 frame_of(const unsigned char *at)
{
	return look_up("/proc/self/pagemap", (size_t)at / page) & PFN_MASK;
}

/* The page's flags, as linux/kernel-page-flags.h has them. */
__u64 flags_of(const unsigned char *at)
{
	return look_up("/proc/kpageflags", frame_of(at));
}

/* Whether a page begins here that does not follow the one before it in memory. */
static bool torn(const unsigned char *at)
{
	return !((size_t)at % page) && frame_of(at) != frame_of(at - page) + 1;
}

static bool among(__u64 frame, const __u64 *frames, size_t pages)
{
	while (pages--)
		if (frames[pages] == frame)
			return true;
	return false;
}

/* Whether @count frames lie apart, and what follows the first in memory is ours, too. */
static bool harmless(const __u64 *first, size_t count, const __u64 *frames, size_t pages)
{
	size_t i = 1;

	while (i < count && first[i] == first[0] + i)
		i++;
	if (i == count)
		return false;
	while (i < count && among(first[0] + i, frames, pages))
		i++;
	return i == count;
}

/*
 * Where @count pages of @at begin that do not lie side by side, while as many that
 * follow the first in memory are pages of @at, too: who takes them for one piece
 * harms nobody but us. The offset of the first, or @len if there are none.
 */
size_t torn_pages(const unsigned char *at, size_t len, size_t count)
{
	size_t pages = len / page, i;
	__u64 *frames = malloc(pages * sizeof(*frames));

	if (!frames)
		die("malloc");
	for (i = 0; i < pages; i++)
		frames[i] = frame_of(at + i * page);
	for (i = 0; i + count <= pages; i++)
		if (harmless(frames + i, count, frames, pages))
			break;
	free(frames);
	return i + count <= pages ? i * page : len;
}

/*
 * Where the kernel has bounce buffers (swiotlb), a segment may have to fit one, and
 * dma_max_mapping_size() says so; where it has none, a huge page is one segment.
 */
size_t longest_mapping(void)
{
	static const char folder[] = "/sys/kernel/debug/swiotlb";

	if (!access(folder, F_OK) && access("/sys/kernel/debug/swiotlb/io_tlb_nslabs", F_OK))
		return HUGE;
	return BOUNCE_MAX;
}

/* How many runs of neighbours the pages are in memory, none too long to be mapped. */
size_t segments_in(const unsigned char *at, size_t len)
{
	size_t most = longest_mapping() / page, run = 0, count = 1;

	for (size_t i = page - (size_t)at % page; i < len; i += page) {
		if (++run < most && !torn(at + i))
			continue;
		count++;
		run = 0;
	}
	return count;
}

/* How many runs that are contiguous at both ends. */
size_t pieces_in(const unsigned char *src, const unsigned char *dst, size_t len)
{
	size_t count = 1;

	for (size_t i = 1; i < len; i++)
		count += torn(src + i) || torn(dst + i);
	return count;
}

/* ---- the kernel's books -------------------------------------------------- */

/* Each processor counts for itself; reading stat_refresh adds them up. */
static void refresh(void)
{
	static const char file[] = "/proc/sys/vm/stat_refresh";
	char nothing;
	int fd = open(file, O_RDONLY);

	if (fd < 0 || read(fd, &nothing, 1) < 0)
		die(file);
	close(fd);
}

void count_pins(long *acquired, long *released)
{
	static const char file[] = "/proc/vmstat";
	char line[128];
	int found = 0;
	FILE *vmstat;

	refresh();
	vmstat = fopen(file, "r");
	if (!vmstat)
		die(file);
	while (fgets(line, sizeof(line), vmstat)) {
		found += sscanf(line, "nr_foll_pin_acquired %ld", acquired) == 1;
		found += sscanf(line, "nr_foll_pin_released %ld", released) == 1;
	}
	fclose(vmstat);
	if (found != 2) {
		errno = ENODATA;
		die("nr_foll_pin_acquired and _released in /proc/vmstat");
	}
}

long pins_held(void)
{
	long acquired, released;

	count_pins(&acquired, &released);
	return acquired - released;
}

/* ---- copies -------------------------------------------------------------- */

/* 0, or errno. What the driver does not set is seen to be so. */
int ask(struct dma_sg_copy *copy, const void *src, void *dst, __u64 len)
{
	memset(copy, 0xa5, sizeof(*copy));
	copy->src = (size_t)src;
	copy->dst = (size_t)dst;
	copy->len = len;
	copy->flags = 0;
	return ioctl(device, DMA_SG_COPY, copy) ? errno : 0;
}

void prepare(struct ends *e, unsigned char *src, unsigned char *dst, size_t len)
{
	e->src = src;
	e->dst = dst;
	e->len = len;
	fill(src, len);
	fill(dst, len);
	e->was = malloc(len);
	e->want = malloc(len);
	if (!e->was || !e->want)
		die("malloc");
	memcpy(e->was, src, len);
	memcpy(e->want, dst, len);
}

/* The memory stays reserved: this is a short program. */
void release(struct ends *e)
{
	free(e->was);
	free(e->want);
	madvise(e->src, e->len, MADV_DONTNEED);
	madvise(e->dst, e->len, MADV_DONTNEED);
}

/* Where the two differ first; @len when they do not. */
static size_t differs(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t i = 0;

	if (!memcmp(a, b, len))
		return len;
	while (a[i] == b[i])
		i++;
	return i;
}

/* After a copy to the @len bytes at @to: is everything as it has to be? */
int intact(const struct ends *e, size_t to, size_t len)
{
	size_t at = differs(e->src, e->was, e->len);

	if (at < e->len)
		return fail("The source changed: are the ends exchanged for the engine?");
	at = differs(e->dst, e->want, e->len);
	if (at == e->len)
		return PASSED;
	if (at < to || at >= to + len)
		return fail("A byte outside of the destination changed, %zu bytes %s it.",
			    at < to ? to - at : at - to - len + 1,
			    at < to ? "before" : "behind");
	return fail("Byte %zu of %zu is not the source's. Is the offset in the first page\n"
		    "counted, at both ends? Is a piece no longer than both segments have left?\n"
		    "Is everything waited for, and dma_unmap_sgtable() called before anybody looks?",
		    at - to, len);
}

static int say_copy(const struct ends *e, size_t from, size_t to, size_t len)
{
	return fail("That was a copy of %zu bytes, from offset %zu in a page to offset %zu.",
		    len, (size_t)(e->src + from) % page, (size_t)(e->dst + to) % page);
}

/* The driver has to copy, and to tell the truth about it. */
int moves(struct ends *e, size_t from, size_t to, size_t len, struct dma_sg_copy *copy)
{
	struct dma_sg_copy own;
	int error, ret = PASSED;

	if (!copy)
		copy = &own;
	error = ask(copy, e->src + from, e->dst + to, len);
	if (error == ETIMEDOUT)
		ret = fail("DMA_SG_COPY failed with ETIMEDOUT. Are the descriptors started, by\n"
			   "dma_async_issue_pending()? Is the callback set, and does the last complete()?");
	else if (error == EOPNOTSUPP)
		ret = fail("DMA_SG_COPY failed with EOPNOTSUPP, as what is not written yet does.");
	else if (error)
		ret = fail("DMA_SG_COPY failed with %s.", name_of(error));
	else if (copy->copied != len)
		ret = fail("DMA_SG_COPY returned success, and @copied says %lld of %zu bytes.",
			   (long long)copy->copied, len);
	if (!ret) {
		memcpy(e->want + to, e->was + from, len);
		ret = intact(e, to, len);
	}
	return ret ? say_copy(e, from, to, len) : PASSED;
}

/* The driver has to fail with @error, and to change nothing that it does not tell. */
int refuses(struct ends *e, const struct dma_sg_copy *asked, int error, const char *what)
{
	struct dma_sg_copy copy = *asked;
	int got;

	copy.copied = ~0ULL;
	got = ioctl(device, DMA_SG_COPY, &copy) ? errno : 0;
	if (got != error)
		return fail("%s: DMA_SG_COPY gave %s, not %s.",
			    what, name_of(got), name_of(error));
	if (copy.copied)
		return fail("%s: nothing may be copied, and @copied says %lld bytes were.%s",
			    what, (long long)copy.copied, copy.copied + 1 ? "" :
			    "\nThat was there before: set it to 0, and give it back after an error, too.");
	if (intact(e, 0, 0))
		return fail("%s: that was refused, and changed memory.", what);
	return PASSED;
}
