// SPDX-License-Identifier: GPL-2.0
/*
 * What lab 3's test.sh needs and a shell cannot do: memory of all kinds, threads
 *
 * Each test is a function that returns 0, or not after it has said on standard
 * output what is wrong and where to look. After each the kernel's books have to be
 * balanced: what was pinned is unpinned. A driver that does not come back is given
 * twenty seconds, then SIGALRM ends us, if the driver can be ended.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "testing.h"

static const struct {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "arguments", arguments },
	{ "pins", pins },
	{ "copy_on_write", copy_on_write },
	{ "marks_dirty", marks_dirty },
	{ "whole_pages", whole_pages },
	{ "few_segments", few_segments },
	{ "huge_pages", huge_pages },
	{ "any_alignment", any_alignment },
	{ "several_windows", several_windows },
	{ "beside", beside },
	{ "beside_late", beside_late },
	{ "overlaps", overlaps },
	{ "addresses", addresses },
	{ "side_by_side", side_by_side },
	{ "holes", holes },
	{ "far_hole", far_hole },
	{ "no_report", no_report },
	{ "read_only", read_only },
	{ "files", files },
	{ "many_at_once", many_at_once },
	{ "big", big },
	{ "killed_pinning", killed_pinning },
	{ "killed_copying", killed_copying },
	{ "timed_out_late", timed_out_late },
};

static int explain_usage(void)
{
	fprintf(stderr,
		"usage: dma_sg_test TEST [SEED]\n"
		"       dma_sg_test copy|copy_huge LENGTH [FROM [TO]]\n"
		"       dma_sg_test copy_when_told LENGTH\n"
		"       dma_sg_test page_frames [ADDRESS]\n"
		"TEST is one of:\n");
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		fprintf(stderr, "  %s\n", tests[i].name);
	fprintf(stderr,
		"SEED is for its random numbers, as it printed it.\n"
		"\"copy\" copies once, between pages that lie apart, with the offsets FROM and TO\n"
		"in the first ones, and says what came of it, and how the pages lie in memory:\n"
		"RESULT COPIED PAGES SEGMENTS DESCRIPTORS CPU_BYTES SOURCE DESTINATION PIECES\n"
		"the last three being the segments at each end, and what they have in common.\n"
		"\"copy_huge\" does so between huge pages, \"copy_when_told\" at SIGUSR1.\n"
		"\"page_frames\" is a test, too; without lab 2's module it takes the physical ADDRESS\n"
		"of registers that nothing uses.\n");
	return 2;
}

static bool is_number(const char *text, __u64 *result)
{
	char *end;

	*result = strtoull(text, &end, 0);
	return !*end && end != text;
}

/*
 * For the shell to look on, between memory of some @kind. What the driver says that
 * it did has to be so; what it does wrong may harm nobody else.
 */
static int copy_once(unsigned char *(*kind)(size_t len), size_t len, size_t from, size_t to)
{
	size_t pages = ((from > to ? from : to) + len + page - 1) / page;
	size_t room = 4 * pages * page;
	struct dma_sg_copy copy;
	struct ends e;
	int error;

	/* The shell may be keeping the engine, and looks after us meanwhile. */
	alarm(40);
	prepare(&e, kind(room), kind(room), room);
	to += torn_pages(e.dst, room, pages) % room;
	error = ask(&copy, e.src + from, e.dst + to, len);
	printf("%s %lld %lld %lld %lld %lld %zu %zu %zu\n", name_of(error), copy.copied,
	       copy.pages, copy.segments, copy.descriptors, copy.cpu_bytes,
	       segments_in(e.src + from, len), segments_in(e.dst + to, len),
	       pieces_in(e.src + from, e.dst + to, len));
	if (error)
		return PASSED;
	memcpy(e.want + to, e.was + from, len);
	return intact(&e, to, len);
}

/* The device is open, and SIGUSR1 tells when to copy: the shell does something before. */
static int copy_when_told(size_t len)
{
	const struct timespec patience = { .tv_sec = 30 };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	puts("open");
	fflush(stdout);
	alarm(40);
	if (sigtimedwait(&signals, NULL, &patience) != SIGUSR1)
		die("the shell's signal");
	return copy_once(scattered, len, 0, 0);
}

/* Pages are unpinned when the ioctl returns; others' may come and go meanwhile. */
static int all_unpinned(long before)
{
	const struct timespec while_ = { .tv_nsec = 20 * 1000 * 1000 };
	long left = 0;

	for (int i = 0; i < 50; i++) {
		left = pins_held() - before;
		if (!left)
			return PASSED;
		nanosleep(&while_, NULL);
	}
	return fail("%ld pages stay pinned (nr_foll_pin_acquired, _released in /proc/vmstat):\n"
		    "see unpin_user_pages_dirty_lock(), on every way out.", left);
}

static __u64 random_seed(void)
{
	unsigned int number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		die("getrandom");
	return number;
}

static int run_test(const char *name, __u64 number)
{
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		int ret;

		if (strcmp(tests[i].name, name))
			continue;
		seed(number);
		ret = tests[i].run();
		if (ret == FAILED)
			fail("(To see it again, with the module loaded: app/dma_sg_test %s %llu)",
			     name, number);
		return ret;
	}
	return explain_usage();
}

/* The jobs are for the shell to look on; NUMBERs that are left out are 0. */
static int run(const char *name, int numbers, const __u64 *number)
{
	if (!strcmp(name, "copy"))
		return copy_once(scattered, number[0], number[1], number[2]);
	if (!strcmp(name, "copy_huge"))
		return copy_once(huge, number[0], number[1], number[2]);
	if (!strcmp(name, "copy_when_told"))
		return copy_when_told(number[0]);
	if (!strcmp(name, "page_frames"))
		return page_frames(number[0]);
	if (numbers)
		return run_test(name, number[0]);
	return run_test(name, random_seed());
}

int main(int argc, char **argv)
{
	__u64 number[3] = { 0 };
	long before;
	int ret;

	if (argc < 2 || argc > 2 + (int)ARRAY_SIZE(number))
		return explain_usage();
	for (int i = 2; i < argc; i++)
		if (!is_number(argv[i], &number[i - 2]))
			return explain_usage();
	page = sysconf(_SC_PAGESIZE);
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0 && errno == ENOENT)
		return fail(DEVICE " is not there: is the module loaded?");
	if (device < 0)
		die(DEVICE);
	before = pins_held();
	alarm(20);
	ret = run(argv[1], argc - 2, number);
	return all_unpinned(before) && !ret ? FAILED : ret;
}
