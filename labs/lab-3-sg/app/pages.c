// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what the driver does with pages: pinned, written to, merged
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#define FLAG_DIRTY	0x10	/* KPF_DIRTY of linux/kernel-page-flags.h */

/* ---- pinning ------------------------------------------------------------- */

/* Whether the copy itself works is for other tests to say: so it may do no harm. */
int pins(void)
{
	long acquired, released, acquired_now, released_now;
	size_t len = 64 * page, to;
	struct dma_sg_copy copy;
	struct ends e;
	int error;

	prepare(&e, scattered(len), scattered(len), len);
	to = torn_pages(e.dst, len, 4);
	count_pins(&acquired, &released);
	/* Five pages of the source, and four of the destination. */
	error = ask(&copy, e.src + page / 2, e.dst + to % len, 4 * page);
	count_pins(&acquired_now, &released_now);
	release(&e);
	if (acquired_now - acquired != 9)
		return fail("The copy has to do with 5 + 4 pages, and %ld were pinned:\n"
			    "see pin_user_pages_fast().", acquired_now - acquired);
	if (!error && copy.pages != 9)
		return fail("9 pages were pinned, and @pages says %llu.", copy.pages);
	return PASSED;
}

/*
 * A page of nobody but us is clean until somebody says otherwise. Whether the copy
 * itself works is for other tests to say.
 */
int marks_dirty(void)
{
	struct dma_sg_copy copy;
	struct ends e;
	int ret = PASSED;

	prepare(&e, memory(page), memory(page), page);
	if (flags_of(e.dst) & FLAG_DIRTY) {
		release(&e);
		return skip("a page that was only written by the CPU is dirty here already");
	}
	ask(&copy, e.src, e.dst, page);
	if (!(flags_of(e.dst) & FLAG_DIRTY))
		ret = fail("The destination is written to, and its page is not dirty:\n"
			   "see unpin_user_pages_dirty_lock().");
	else if (flags_of(e.src) & FLAG_DIRTY)
		ret = fail("The source's page is only read, and it is dirty now:\n"
			   "see unpin_user_pages_dirty_lock().");
	release(&e);
	return ret;
}

/* What fork() made common is the child's as it was, until the child writes. */
static int child_keeps_its_own(struct ends *e)
{
	int go[2], status;
	char byte;
	pid_t pid;

	if (pipe(go))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) < 0)
			_exit(TROUBLE);
		_exit(memcmp(e->dst, e->want, e->len) ? FAILED : PASSED);
	}
	status = moves(e, 0, 0, e->len, NULL);
	close(go[0]);
	close(go[1]);
	if (status)
		return status;
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (!status)
		return PASSED;
	return fail("The destination's pages were shared with a child, copy on write, since\n"
		    "fork(), and the copy reached the child, too: see FOLL_WRITE.");
}

/* Memory that was never written is, to be read, one page of zeros for everybody. */
static int zeros_stay_zeros(struct ends *e)
{
	unsigned char *other = reserve(page, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	if (madvise(e->dst, e->len, MADV_DONTNEED))
		die("madvise");
	memset(e->want, 0, e->len);
	if (intact(e, 0, 0) || moves(e, 0, 0, e->len, NULL))
		return fail("The destination had never been written to before: see FOLL_WRITE.");
	for (size_t i = 0; i < page; i++)
		if (other[i])
			return fail("The kernel's page of zeros was written to: see FOLL_WRITE.");
	return PASSED;
}

int copy_on_write(void)
{
	struct ends e;
	int ret;

	prepare(&e, memory(2 * page), memory(2 * page), 2 * page);
	ret = child_keeps_its_own(&e);
	if (!ret) {
		fill(e.src, e.len);
		memcpy(e.was, e.src, e.len);
		ret = zeros_stay_zeros(&e);
	}
	release(&e);
	return ret;
}

/* ---- files --------------------------------------------------------------- */

static int temporary_file(size_t len)
{
	int fd = memfd_create("dma_sg_test", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, len))
		die("memfd_create");
	return fd;
}

/* A file's bytes go to another file: one is only read, the other only written. */
int files(void)
{
	unsigned char *src, *dst, bytes[3 * 4096], got[sizeof(bytes)];
	int from = temporary_file(sizeof(bytes)), to = temporary_file(sizeof(bytes));
	size_t skip = 100, len = sizeof(bytes) - 300;
	struct dma_sg_copy copy;
	int error;

	fill(bytes, sizeof(bytes));
	if (pwrite(from, bytes, sizeof(bytes), 0) != sizeof(bytes))
		die("pwrite");
	src = mmap(NULL, sizeof(bytes), PROT_READ, MAP_PRIVATE, from, 0);
	dst = mmap(NULL, sizeof(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	if (src == MAP_FAILED || dst == MAP_FAILED)
		die("mmap");
	error = ask(&copy, src + skip, dst + skip, len);
	if (error)
		return fail("From a file's private mapping, read-only, to another's shared one:\n"
			    "DMA_SG_COPY failed with %s. Only the destination is pinned with FOLL_WRITE.",
			    name_of(error));
	memset(bytes, 0, skip);
	memset(bytes + skip + len, 0, sizeof(bytes) - skip - len);
	if (pread(to, got, sizeof(got), 0) != sizeof(got))
		die("pread");
	if (memcmp(got, bytes, sizeof(got)))
		return fail("The destination is a file's shared mapping, and read() gives other\n"
			    "bytes than were copied.");
	munmap(src, sizeof(bytes));
	munmap(dst, sizeof(bytes));
	close(from);
	close(to);
	return PASSED;
}

/* ---- segments ------------------------------------------------------------ */

static int counted(const char *name, __u64 says, size_t is)
{
	if (says == is)
		return PASSED;
	return fail("%s says %llu, and by /proc/self/pagemap it should be %zu.", name, says, is);
}

/*
 * Pages side by side are one segment; what is contiguous at both ends goes by one
 * descriptor. Where the pages are may change under us: so look before and after.
 */
static int counts(struct ends *e)
{
	size_t segments, pieces;
	struct dma_sg_copy copy;
	int tries = 0;

	do {
		if (tries++ == 3)
			return skip("the kernel moves the pages all the time");
		segments = segments_in(e->src, e->len) + segments_in(e->dst, e->len);
		pieces = pieces_in(e->src, e->dst, e->len);
		if (moves(e, 0, 0, e->len, &copy))
			return FAILED;
	} while (segments != segments_in(e->src, e->len) + segments_in(e->dst, e->len) ||
		 pieces != pieces_in(e->src, e->dst, e->len));
	if (counted("@pages", copy.pages, 2 * e->len / page))
		return FAILED;
	if (counted("@segments", copy.segments, segments) ||
	    counted("@descriptors", copy.descriptors, pieces))
		return fail("See sg_alloc_table_from_pages_segment(), which merges.");
	if (copy.cpu_bytes)
		return fail("Whole pages are whole cache lines, and the CPU copied %llu bytes.",
			    copy.cpu_bytes);
	return PASSED;
}

int few_segments(void)
{
	size_t len = BOUNCE_MAX / 4;
	struct ends e;
	int ret;

	prepare(&e, scattered(len), scattered(len), len);
	if (segments_in(e.dst, len) < 2)
		return skip("the kernel gave no pages that lie apart");
	ret = counts(&e);
	release(&e);
	if (ret)
		return ret;
	prepare(&e, memory(len), scattered(len), len);
	ret = counts(&e);
	release(&e);
	return ret;
}

int huge_pages(void)
{
	size_t most = HUGE / longest_mapping();
	struct dma_sg_copy copy;
	struct ends e;
	int ret;

	prepare(&e, huge(HUGE), huge(HUGE), HUGE);
	if (pieces_in(e.src, e.dst, HUGE) > 1)
		return skip("the kernel gave no huge pages");
	ret = moves(&e, 0, 0, HUGE, &copy);
	release(&e);
	if (ret)
		return ret;
	if (copy.descriptors > most || copy.segments != 2 * copy.descriptors)
		return fail("From one huge page to another, 2 MiB should go by %zu descriptors,\n"
			    "each from one segment to one; it was %llu, and %llu segments.\n"
			    "See sg_alloc_table_from_pages_segment() and dma_max_mapping_size().",
			    most, copy.descriptors, copy.segments);
	return PASSED;
}
