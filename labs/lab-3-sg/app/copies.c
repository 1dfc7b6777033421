// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is copied: every byte of the destination, and no other
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#define AREA		(6 * page)	/* room for three pages and their surroundings */

/* First two pages that do no harm if they are taken for one piece. */
static int two_pages(void)
{
	size_t len = 64 * page, to;
	struct dma_sg_copy copy = { .descriptors = 2 };
	struct ends e;
	int ret = PASSED;

	prepare(&e, scattered(len), scattered(len), len);
	to = torn_pages(e.dst, len, 2);
	if (to < len)
		ret = moves(&e, 0, to, 2 * page, &copy);
	release(&e);
	if (!ret && copy.descriptors < 2)
		ret = fail("To two pages that lie apart @descriptors is %llu: are the segments\n"
			   "of source and destination intersected?", copy.descriptors);
	return ret;
}

/* Where the pages lie side by side, and where they do not. */
int whole_pages(void)
{
	struct {
		unsigned char *(*src)(size_t len);
		unsigned char *(*dst)(size_t len);
		size_t pages;
	} tries[] = {
		{ memory, memory, 1 },
		{ memory, memory, 16 },
		{ scattered, memory, 16 },
		{ memory, scattered, 16 },
		{ scattered, scattered, 64 },
	};
	struct ends e;
	int ret = two_pages();

	if (ret)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		size_t len = tries[i].pages * page;

		prepare(&e, tries[i].src(len + 2 * page), tries[i].dst(len + 2 * page),
			len + 2 * page);
		ret = moves(&e, page, page, len, NULL);
		release(&e);
		if (ret)
			return ret;
	}
	return PASSED;
}

/* ---- any address, alignment and length ----------------------------------- */

/* A place that leaves room, mostly so that a page ends or begins close by. */
static size_t place(size_t len)
{
	size_t edge = (1 + below(2)) * page;

	if (below(4))
		return edge - below(len + 2 * LINE_MAX < edge ? len + 2 * LINE_MAX : edge);
	return below(AREA - len);
}

/*
 * The CPU's part is no more than the lines that are only partly the destination's
 * at either end, and a word for each page boundary in the source; and no less than
 * what is outside of the shortest lines.
 */
static int engine_did_it(const struct dma_sg_copy *copy, size_t from)
{
	size_t most = 2 * (LINE_MAX - 1);
	size_t head = -copy->dst % LINE_MIN;
	size_t least = head < copy->len ? head + (copy->len - head) % LINE_MIN : copy->len;

	if ((copy->src - copy->dst) % WORD)
		most += (from % page + copy->len) / page * WORD;
	if (copy->cpu_bytes >= least && copy->cpu_bytes <= most)
		return PASSED;
	return fail("Of %llu bytes the CPU copied %llu, says @cpu_bytes; %zu to %zu need it.",
		    copy->len, copy->cpu_bytes, least, most);
}

static int one_size(struct ends *e, size_t len, int tries)
{
	struct dma_sg_copy copy;

	while (tries--) {
		size_t from = place(len), to = place(len);

		if (moves(e, from, to, len, &copy) || engine_did_it(&copy, from))
			return FAILED;
	}
	return PASSED;
}

/* Each way that source and destination can lie to a word of the engine's. */
static int each_word_offset(struct ends *e)
{
	static const size_t lens[] = { 1, 3, 4, 5, 127, 128, 129, 257, 511 };

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t from = 0; from < WORD; from++)
			for (size_t to = 0; to < WORD; to++)
				if (moves(e, page - 160 + from, page - 128 + to, lens[i], NULL))
					return FAILED;
	return PASSED;
}

static int around(struct ends *e, size_t len, int tries)
{
	for (size_t i = len - 5; i <= len + 5; i++)
		if (one_size(e, i, tries))
			return FAILED;
	return PASSED;
}

static int every_size(struct ends *e)
{
	for (size_t len = 1; len <= 130; len++)
		if (one_size(e, len, 4))
			return FAILED;
	for (int i = 0; i < 60; i++)
		if (one_size(e, 1 + below(3 * page), 1))
			return FAILED;
	return around(e, 2 * LINE_MAX, 4) || around(e, page, 6) || around(e, 2 * page, 4);
}

int any_alignment(void)
{
	struct ends e;
	int ret;

	prepare(&e, scattered(AREA), scattered(AREA), AREA);
	ret = each_word_offset(&e) || every_size(&e);
	release(&e);
	return ret ? FAILED : PASSED;
}

/* Windows end inside of these. */
int several_windows(void)
{
	size_t len = 2 * WINDOW + WINDOW / 2;
	struct ends e;
	int ret = PASSED;

	/* Megabytes, on a machine that may be slow. */
	alarm(60);
	prepare(&e, memory(len), memory(len), len);
	for (int i = 0; i < 3 && !ret; i++) {
		size_t from = below(page), to = below(page);

		ret = moves(&e, from, to, len - page - below(page), NULL);
	}
	release(&e);
	return ret;
}

/* ---- the bytes beside the destination ------------------------------------ */

/* Two bytes that somebody else writes to: one before, one behind. */
struct neighbour {
	volatile unsigned char *byte[2];
	unsigned char last[2];
	bool stop;
	bool lost;
};

/* Looks first whether its last word is still there. */
static void *write_beside(void *arg)
{
	struct neighbour *n = arg;

	while (!__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE) && !n->lost) {
		for (int i = 0; i < 2; i++) {
			n->lost |= *n->byte[i] != n->last[i];
			*n->byte[i] = ++n->last[i];
		}
	}
	return NULL;
}

static int copy_beside(struct ends *e, size_t to, size_t len)
{
	struct neighbour n = { .byte = { e->dst + to - 1, e->dst + to + len } };
	pthread_t thread;
	int ret = PASSED;

	n.last[0] = *n.byte[0];
	n.last[1] = *n.byte[1];
	if (pthread_create(&thread, NULL, write_beside, &n))
		die("pthread_create");
	for (int i = 0; i < 8 && !ret; i++) {
		struct dma_sg_copy copy;
		int error = ask(&copy, e->src + i, e->dst + to, len);

		if (error)
			ret = fail("DMA_SG_COPY failed with %s.", name_of(error));
		memcpy(e->want + to, e->was + i, len);
	}
	__atomic_store_n(&n.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	e->want[to - 1] = n.last[0];
	e->want[to + len] = n.last[1];
	if (n.lost)
		ret = fail("What another thread wrote beside the destination was lost.");
	return ret || intact(e, to, len);
}

static const char beside_hint[] =
	"Cache lines that are only in part the destination's must neither go by DMA nor be\n"
	"mapped: see dma_get_cache_alignment().";

int beside(void)
{
	struct ends e;
	int ret = PASSED;

	prepare(&e, memory(AREA), memory(AREA), AREA);
	for (int i = 0; i < 24 && !ret; i++)
		ret = copy_beside(&e, page + 1 + below(2 * LINE_MAX), 1 + below(2 * page));
	release(&e);
	return ret ? fail(beside_hint) : PASSED;
}

/* Waits for SIGUSR1: then the engine has the transfer, and stands still. */
static void *write_when_told(void *arg)
{
	struct neighbour *n = arg;
	sigset_t signals;
	int sig;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigwait(&signals, &sig);
	for (int i = 0; i < 2; i++)
		*n->byte[i] = ++n->last[i];
	puts("written");
	fflush(stdout);
	return NULL;
}

/* The same, for sure in the middle of the copy: the shell stops the engine. */
int beside_late(void)
{
	size_t to = page + LINE_MAX / 2 + 5, len = page;
	struct neighbour n = { .stop = false };
	struct dma_sg_copy copy;
	pthread_t thread;
	sigset_t signals;
	struct ends e;
	int error;

	alarm(90);
	prepare(&e, memory(AREA), memory(AREA), AREA);
	for (int i = 0; i < 2; i++) {
		n.byte[i] = e.dst + (i ? to + len : to - 1);
		n.last[i] = *n.byte[i];
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (pthread_create(&thread, NULL, write_when_told, &n))
		die("pthread_create");
	error = ask(&copy, e.src, e.dst + to, len);
	pthread_join(thread, NULL);
	if (error)
		return fail("DMA_SG_COPY failed with %s.", name_of(error));
	memcpy(e.want + to, e.was, len);
	e.want[to - 1] = n.last[0];
	e.want[to + len] = n.last[1];
	return intact(&e, to, len) ? fail(beside_hint) : PASSED;
}

/* ---- several at once ----------------------------------------------------- */

static void *copy_own(void *arg)
{
	size_t len = 20 * page;
	long ret = PASSED;
	struct ends e;

	seed((size_t)arg);
	prepare(&e, memory(len), scattered(len), len);
	for (int i = 0; i < 12 && !ret; i++) {
		size_t some = 1 + below(16 * page);

		ret = moves(&e, below(len - some), below(len - some), some, NULL);
	}
	release(&e);
	return (void *)ret;
}

static int copy_in_threads(size_t number)
{
	pthread_t thread[2];
	void *ret[2];

	for (size_t i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, copy_own, (void *)(number + i)))
			die("pthread_create");
	for (size_t i = 0; i < 2; i++)
		pthread_join(thread[i], &ret[i]);
	return ret[0] || ret[1];
}

/* All through one open file, which fork() shares. */
int many_at_once(void)
{
	size_t number = random64() >> 1;
	int status, failed = 0;

	for (size_t i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(copy_in_threads(number + 2 * i));
	}
	while (wait(&status) > 0)
		failed += status != 0;
	if (!failed)
		return PASSED;
	return fail("Of three processes, with two threads each, %d did not get their own bytes.",
		    failed);
}
