// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what the driver has to refuse: with the right errno, nothing written
 * beyond what it reports
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "testing.h"

#define NOWHERE		((void *)64)	/* the zero page is never mapped */

static struct dma_sg_copy asking(const void *src, const void *dst, __u64 len)
{
	struct dma_sg_copy copy = { .src = (size_t)src, .dst = (size_t)dst, .len = len };

	return copy;
}

static struct dma_sg_copy between(const struct ends *e, size_t from, size_t to, __u64 len)
{
	return asking(e->src + from, e->dst + to, len);
}

/* ---- the ioctl itself ---------------------------------------------------- */

static int no_such_command(unsigned long command, void *arg, const char *what)
{
	int error = ioctl(device, command, arg) ? errno : 0;

	if (error == ENOTTY)
		return PASSED;
	return fail("An ioctl with %s gave %s, not ENOTTY.", what, name_of(error));
}

static int commands(struct dma_sg_copy *copy)
{
	struct {
		__u32 len;
		__u32 flags;
	} lab_2 = { .len = 16 };

	return no_such_command(_IOW(0xD9, 1, lab_2), &lab_2, "lab 2's command") ||
	       no_such_command(_IOWR(0xD9, 3, *copy), copy, "another number") ||
	       no_such_command(_IOWR(0xD9, 2, __u64), copy, "another size of the structure") ||
	       no_such_command(_IOWR(0xDA, 2, *copy), copy, "another type");
}

/* A structure that the program itself may only read. */
static int unwritable_structure(const struct dma_sg_copy *copy)
{
	struct dma_sg_copy *fixed = mmap(NULL, page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (fixed == MAP_FAILED)
		die("mmap");
	*fixed = *copy;
	if (mprotect(fixed, page, PROT_READ))
		die("mprotect");
	error = ioctl(device, DMA_SG_COPY, fixed) ? errno : 0;
	munmap(fixed, page);
	if (error != EFAULT)
		return fail("A structure that cannot be written gave %s, not EFAULT:\n"
			    "what did copy_to_user() return?", name_of(error));
	return PASSED;
}

static int no_structure(void)
{
	int error = ioctl(device, DMA_SG_COPY, NOWHERE) ? errno : 0;

	if (error == EFAULT)
		return PASSED;
	return fail("A structure where there is no memory gave %s, not EFAULT:\n"
		    "what did copy_from_user() return?", name_of(error));
}

int arguments(void)
{
	struct dma_sg_copy copy;
	struct ends e;

	prepare(&e, memory(page), memory(page), page);
	copy = between(&e, 0, 0, 16);
	if (commands(&copy))
		return FAILED;
	copy = between(&e, 0, 0, 0);
	if (refuses(&e, &copy, EINVAL, "With a length of 0"))
		return FAILED;
	for (int bit = 0; bit < 64; bit += 21) {
		copy = between(&e, 0, 0, 16);
		copy.flags = 1ULL << bit;
		if (refuses(&e, &copy, EINVAL, "With a flag that nobody knows"))
			return FAILED;
	}
	copy = between(&e, 0, 0, 0);
	if (no_structure() || unwritable_structure(&copy))
		return FAILED;
	release(&e);
	return PASSED;
}

/* After a copy that went well. */
int no_report(void)
{
	struct dma_sg_copy copy;
	struct ends e;
	int ret;

	prepare(&e, memory(page), memory(page), page);
	copy = between(&e, 0, 0, page);
	ret = unwritable_structure(&copy);
	release(&e);
	return ret;
}

/* ---- where the ranges lie ------------------------------------------------ */

/* Both ends in the same memory: what moves there changes the source's memory, too. */
static int moves_within(unsigned char *at, size_t from, size_t to, size_t len)
{
	unsigned char *want = malloc(8 * page);
	struct dma_sg_copy copy;
	int error;

	if (!want)
		die("malloc");
	memcpy(want, at, 8 * page);
	memcpy(want + to, want + from, len);
	error = ask(&copy, at + from, at + to, len);
	if (error)
		return fail("%zu bytes from %zu to %zu in the same memory do not overlap, and\n"
			    "the copy failed with %s.", len, from, to, name_of(error));
	if (memcmp(at, want, 8 * page))
		return fail("A copy of %zu bytes from %zu to %zu in the same memory went wrong.",
			    len, from, to);
	free(want);
	return PASSED;
}

/*
 * A program that asks for it may keep a tag of its own in the top byte of an address
 * (arm64 alone; Documentation/arm64/tagged-address-abi.rst): the place is the same.
 */
static int overlaps_with_a_tag(struct ends *e)
{
	struct dma_sg_copy copy = asking(e->dst, e->dst + 64, 3 * page);

	if (prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0))
		return PASSED;
	copy.dst |= 1ULL << 56;
	if (refuses(e, &copy, EINVAL, "Ranges that overlap but for the tag in the top byte"))
		return fail("See untagged_addr().");
	prctl(PR_SET_TAGGED_ADDR_CTRL, 0, 0, 0, 0);
	return PASSED;
}

/* From, to, length; in one memory of eight pages of 4096 bytes, or larger ones. */
static const size_t apart[][3] = {
	{ 0, 4096, 4096 }, { 4096, 0, 4096 }, { 100, 400, 300 }, { 400, 100, 300 },
	{ 7, 8, 1 }, { 8, 7, 1 }, { 5, 3 * 4096 + 5, 3 * 4096 }, { 3 * 4096 + 5, 5, 3 * 4096 },
};

/* Nothing can be pinned here: what else becomes of the copy does not matter. */
static int may_be_tried(void)
{
	unsigned char *at = reserve(8 * page, PROT_NONE, MAP_PRIVATE);

	for (size_t i = 0; i < ARRAY_SIZE(apart); i++) {
		struct dma_sg_copy copy;
		const size_t *range = apart[i];

		if (ask(&copy, at + range[0], at + range[1], range[2]) == EINVAL)
			return fail("%zu bytes from %zu to %zu in the same memory do not overlap,\n"
				    "and DMA_SG_COPY gave EINVAL.", range[2], range[0], range[1]);
	}
	return PASSED;
}

int side_by_side(void)
{
	unsigned char *at = memory(8 * page);
	int ret = PASSED;

	fill(at, 8 * page);
	for (size_t i = 0; i < ARRAY_SIZE(apart) && !ret; i++)
		ret = moves_within(at, apart[i][0], apart[i][1], apart[i][2]);
	return ret;
}

int overlaps(void)
{
	/* As above. */
	const size_t bad[][3] = {
		{ 0, 0, page }, { 0, 0, 1 }, { 0, page - 1, page }, { page - 1, 0, page },
		{ 100, 50, 3 * page }, { 50, 100, 3 * page }, { 99, 100, 2 }, { 100, 99, 2 },
	};
	unsigned char *at = memory(8 * page);
	struct dma_sg_copy copy;
	struct ends e;
	char what[100];

	prepare(&e, at, memory(8 * page), 8 * page);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		copy = asking(at + bad[i][0], at + bad[i][1], bad[i][2]);
		snprintf(what, sizeof(what), "%zu bytes from %zu to %zu in the same memory overlap",
			 bad[i][2], bad[i][0], bad[i][1]);
		if (refuses(&e, &copy, EINVAL, what))
			return FAILED;
	}
	if (overlaps_with_a_tag(&e) || may_be_tried())
		return FAILED;
	release(&e);
	return PASSED;
}

int addresses(void)
{
	unsigned char *kernel = (unsigned char *)0xffff000000200000;
	unsigned char *last = (unsigned char *)-page;
	struct dma_sg_copy copies[11];
	struct ends e;
	size_t n = 0;

	/* A whole window at each end is there, and must not be copied. */
	prepare(&e, memory(WINDOW), memory(WINDOW), WINDOW);
	copies[n++] = between(&e, 0, 0, -1);
	copies[n++] = between(&e, 0, 0, -(size_t)e.src);
	copies[n++] = between(&e, 0, 0, -(size_t)e.dst);
	copies[n++] = between(&e, 0, 0, -(size_t)e.dst + 8);
	copies[n++] = between(&e, 0, 0, -page);
	copies[n++] = asking(kernel, e.dst, 16);
	copies[n++] = asking(e.src, kernel, 16);
	copies[n++] = asking(last, e.dst, page);
	copies[n++] = asking(e.src, last, page);
	copies[n++] = asking(last, e.dst, 2 * page);
	copies[n++] = asking((void *)-1, e.dst, 1);
	for (size_t i = 0; i < n; i++) {
		char what[100];

		snprintf(what, sizeof(what), "%llu bytes from %#llx to %#llx",
			 copies[i].len, copies[i].src, copies[i].dst);
		if (refuses(&e, &copies[i], EFAULT, what))
			return fail("Is the end of each range checked, too? See access_ok().");
	}
	release(&e);
	return PASSED;
}

/* ---- pages that are not there -------------------------------------------- */

/* What is left of the memory is as it has to be; where the hole is nobody looks. */
static int intact_around(const struct ends *e, size_t hole, size_t to, size_t copied,
			 const char *what)
{
	struct ends part = *e;

	part.len = hole;
	if (intact(&part, to, copied))
		return fail("%s: @copied said that %zu bytes were copied.", what, copied);
	part.src += hole + page;
	part.was += hole + page;
	part.dst += hole + page;
	part.want += hole + page;
	part.len = e->len - hole - page;
	if (intact(&part, 0, 0))
		return fail("%s: what is behind it was written to.", what);
	return PASSED;
}

/* Page @hole is missing at one end: the other is whole. */
static int hole_at(size_t pages, size_t hole, bool in_dst, int prot)
{
	size_t from = page / 2, len = (pages - 1) * page;
	struct dma_sg_copy copy;
	struct ends e;
	char what[100];
	int error;

	prepare(&e, memory(pages * page), memory(pages * page), pages * page);
	if (mprotect((in_dst ? e.dst : e.src) + hole * page, page, prot))
		die("mprotect");
	snprintf(what, sizeof(what), "Page %zu of %zu of the %s cannot be %s", hole, pages,
		 in_dst ? "destination" : "source", in_dst ? "written" : "read");
	error = ask(&copy, e.src + from, e.dst + from, len);
	if (error != EFAULT)
		return fail("%s: DMA_SG_COPY gave %s, not EFAULT.\n"
			    "Is it a failure when less than all pages are pinned?",
			    what, name_of(error));
	if (copy.copied + from > hole * page && copy.copied)
		return fail("%s, and @copied says that %lld bytes were copied.", what,
			    (long long)copy.copied);
	memcpy(e.want + from, e.was + from, copy.copied);
	if (intact_around(&e, hole * page, from, copy.copied, what))
		return FAILED;
	release(&e);
	return PASSED;
}

/* Short copies are the CPU's, and they must not get through either. */
static int nowhere(void)
{
	struct dma_sg_copy copy;
	struct ends e;

	prepare(&e, memory(page), memory(page), page);
	copy = asking(NOWHERE, e.dst, 1);
	if (refuses(&e, &copy, EFAULT, "From where there is no memory"))
		return FAILED;
	copy = asking(e.src, NOWHERE, 1);
	if (refuses(&e, &copy, EFAULT, "To where there is no memory"))
		return FAILED;
	release(&e);
	return PASSED;
}

/* In the first, a middle and the last page. */
int holes(void)
{
	if (nowhere())
		return FAILED;
	for (int in_dst = 0; in_dst < 2; in_dst++)
		for (size_t hole = 0; hole < 4; hole++)
			if (hole_at(4, hole, in_dst, PROT_NONE))
				return FAILED;
	return PASSED;
}

/* Where windows went before. */
int far_hole(void)
{
	size_t window = WINDOW / page;

	for (int in_dst = 0; in_dst < 2; in_dst++)
		if (hole_at(3 * window, 2 * window + 5, in_dst, PROT_NONE))
			return FAILED;
	return PASSED;
}

/* To be read, it will do. Whether the copy itself works is for other tests to say. */
static int read_only_source(void)
{
	struct dma_sg_copy copy;
	struct ends e;
	int error;

	prepare(&e, memory(page), memory(page), page);
	if (mprotect(e.src, page, PROT_READ))
		die("mprotect");
	error = ask(&copy, e.src, e.dst, page);
	release(&e);
	if (error == EFAULT)
		return fail("The source cannot be written, and need not be: that gave EFAULT.\n"
			    "Only the destination is pinned with FOLL_WRITE.");
	return PASSED;
}

int read_only(void)
{
	for (size_t at = 0; at < 4; at++)
		if (hole_at(4, at, true, PROT_READ))
			return fail("What is read-only for the program is so for the engine:\n"
				    "see FOLL_WRITE.");
	return read_only_source();
}

/* ---- memory that has no pages to pin ------------------------------------- */

/*
 * Lab 2's buffers, if its module is loaded; otherwise, by /dev/mem, @physical: the
 * caller knows registers that do no harm. Neither is ever touched.
 */
static unsigned char *map_frames(off_t physical)
{
	int fd = open("/dev/dma_mmap", O_RDWR);
	void *at;

	if (fd >= 0)
		physical = 0;
	else if (physical)
		fd = open("/dev/mem", O_RDWR | O_SYNC);
	if (fd < 0)
		return NULL;
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, physical);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

/* Short copies, as above. */
int page_frames(off_t physical)
{
	static const size_t lens[] = { 1, 16, 200, 4096 };
	unsigned char *frames = map_frames(physical);
	struct dma_sg_copy copy;
	struct ends e;

	if (!frames)
		return skip("no page frames can be mapped: is iomem=relaxed set?");
	prepare(&e, memory(page), memory(page), page);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		copy = asking(frames, e.dst, lens[i]);
		if (refuses(&e, &copy, EFAULT, "From a mapping that has no pages to pin"))
			return FAILED;
		copy = asking(e.src, frames, lens[i]);
		if (refuses(&e, &copy, EFAULT, "To a mapping that has no pages to pin"))
			return FAILED;
	}
	munmap(frames, page);
	release(&e);
	return PASSED;
}
