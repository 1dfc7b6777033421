// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads copy by one device, with signals, fork(), munmap() and close() at random
 *
 * Each thread has a file and memory of its own, and besides there are files that all
 * share. What each does is drawn from the seed, whatever comes of it; how they meet
 * is for the scheduler to say.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copies.h"

#define SHARED		4
#define MOST_THREADS	256

static __u64 seed;
static unsigned int n_threads, n_operations;
static pthread_t threads[MOST_THREADS];
static pthread_barrier_t all_there;	/* who has ended can be sent no signal */
static int shared[SHARED];

/* What was done, all threads together; and a number that another schedule would change. */
static unsigned int copies, forks, signals, reopenings, replacements, intrusions;
static __u64 schedule;

static void count(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void must(const char *what, int error)
{
	if (error)
		wrong("%s: %s", what, strerror(error));
}

static void nothing(int signal)
{
	(void)signal;
}

/* ---- one's own file ------------------------------------------------------- */

static void copy(struct client *c, __u64 *state)
{
	choose(c, state, LEAST);
	must("copy", ask(c, c->fd));
	look_at(c, false);
}

static void reopen(struct client *c, __u64 *state)
{
	close_client(c, draw(state, 2));
	open_client(c);
}

static void interrupt_one(__u64 *state)
{
	pthread_kill(threads[draw(state, n_threads)], SIGUSR1);
}

/* ---- a child -------------------------------------------------------------- */

/* It may end with the file open and the memory mapped, or in the middle of a copy. */
static void live_as_child(struct client *c, __u64 *state)
{
	for (unsigned int n = 1 + draw(state, 5); n; n--)
		copy(c, state);
	if (draw(state, 2))
		close_client(c, draw(state, 2));
	_exit(0);
}

static void wait_for(pid_t pid, bool killed)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			wrong("waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	if (!killed || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		wrong("a child ended with status 0x%x", status);
}

static void have_child(struct client *c, __u64 *state)
{
	bool kills_it = draw(state, 2);
	unsigned int delay = draw(state, 3000);
	pid_t pid = fork();

	if (pid < 0)
		wrong("fork: %s", strerror(errno));
	if (!pid)
		live_as_child(c, state);
	if (kills_it) {
		usleep(delay);
		kill(pid, SIGKILL);
	}
	wait_for(pid, kills_it);
}

/* ---- files that all share ------------------------------------------------- */

/* Of such a file of lab 2's the source stays as it was when the file was opened. */
static void look_at_shared(int fd, size_t len)
{
	struct client c = { .room = 65536 };
	__u64 owner;

	c.src = mmap(NULL, 2 * c.room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c.src == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
	c.dst = c.src + c.room;
	memcpy(&owner, c.src, sizeof(owner));
	check(c.src, c.room, c.room, owner);
	if (memcmp(c.src, c.dst, len))
		wrong("%zu bytes were copied in a file of many, and are not the same", len);
	munmap(c.src, 2 * c.room);
}

static void copy_shared(struct client *c, __u64 *state)
{
	int fd = fcntl(shared[draw(state, SHARED)], F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		wrong("dup: %s", strerror(errno));
	choose(c, state, LEAST);
	must("copy by a shared file", ask(c, fd));
	if (device == MMAP)
		look_at_shared(fd, c->len);
	else
		look_at(c, false);
	close(fd);
}

static int open_shared(__u64 *state)
{
	__u64 owner = draw(state, ~0ULL);
	struct client c;
	int fd;

	open_client(&c);
	if (device == MMAP)
		fill(c.src, c.room, owner);
	fd = fcntl(c.fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		wrong("dup: %s", strerror(errno));
	close_client(&c, false);
	return fd;
}

/* To who copies by it, it is as if it was closed. */
static void replace_shared(__u64 *state)
{
	int fd = open_shared(state);

	if (dup3(fd, shared[draw(state, SHARED)], O_CLOEXEC) < 0)
		wrong("dup3: %s", strerror(errno));
	close(fd);
}

/* ---- somebody who takes memory and file away during a copy ------------------ */

struct intruder {
	struct client *c;
	unsigned int delay;
	bool file;
	bool src;
	bool dst;
};

/* Never leaves a hole, where others would be mapped, or opened, and be copied to. */
static void take_memory(unsigned char *p, size_t len)
{
	if (mmap(p, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0) == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
}

static void *intrude(void *arg)
{
	struct intruder *intruder = arg;
	struct client *c = intruder->c;
	int fd = open_device();

	for (unsigned int n = intruder->delay; n; n--)
		sched_yield();
	if (intruder->src)
		take_memory(c->src, c->room);
	if (intruder->file && dup3(fd, c->fd, O_CLOEXEC) < 0)
		wrong("dup3: %s", strerror(errno));
	if (intruder->dst)
		take_memory(c->dst, c->room);
	close(fd);
	return NULL;
}

/* Of lab 3's, each byte was copied, or was there before; or the memory is new. */
static void look_at_rest(const struct client *c)
{
	static __thread unsigned char want[65536];
	unsigned char byte;

	fill(want, c->len, c->seed);
	for (size_t at = 0; at < c->room; at++) {
		byte = at - c->to < c->len ? want[at - c->to] : 0xa5;
		if (c->dst[at] && c->dst[at] != byte)
			wrong("%zu bytes were copied to %zu, and byte %zu is 0x%02x",
			      c->len, c->to, at, c->dst[at]);
	}
}

/* Lab 1's source stays: bytes that change while write() takes them would be nobody's. */
static void copy_intruded(struct client *c, __u64 *state)
{
	struct intruder intruder = {
		.c = c, .delay = draw(state, 4), .file = draw(state, 2),
		.src = draw(state, 2) && device != M2M, .dst = draw(state, 2),
	};
	pthread_t thread;

	choose(c, state, LEAST);
	must("pthread_create", pthread_create(&thread, NULL, intrude, &intruder));
	must("copy that somebody disturbs", ask(c, c->fd));
	must("pthread_join", pthread_join(thread, NULL));
	if (device == SG)
		look_at_rest(c);
	close_client(c, draw(state, 2));
	open_client(c);
}

/* ---- threads -------------------------------------------------------------- */

static void operate(struct client *c, __u64 *state)
{
	unsigned int what = draw(state, 100);

	if (what < 55)
		count(&copies), copy(c, state);
	else if (what < 70)
		count(&copies), copy_shared(c, state);
	else if (what < 78)
		count(&signals), interrupt_one(state);
	else if (what < 84)
		count(&forks), have_child(c, state);
	else if (what < 90)
		count(&reopenings), reopen(c, state);
	else if (what < 95)
		count(&replacements), replace_shared(state);
	else
		count(&intrusions), copy_intruded(c, state);
}

static void *work(void *arg)
{
	__u64 state;
	struct client c;

	thread_number = (uintptr_t)arg;
	state = (seed + thread_number) * 0x9e3779b97f4a7c15 | 1;
	draw(&state, 2);
	open_client(&c);
	pthread_barrier_wait(&all_there);
	for (operation = 0; operation < n_operations; operation++)
		operate(&c, &state);
	close_client(&c, draw(&state, 2));
	pthread_barrier_wait(&all_there);
	__atomic_fetch_xor(&schedule, state, __ATOMIC_RELAXED);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = nothing };
	__u64 state;

	if (argc != 5) {
		fprintf(stderr, "usage: storm m2m|mmap|sg SEED THREADS OPERATIONS\n");
		return 2;
	}
	choose_device(argv[1]);
	seed = number(argv[2], 0);
	n_threads = number(argv[3], 1);
	n_operations = number(argv[4], 1);
	if (n_threads > MOST_THREADS)
		wrong("there are %d threads at most", MOST_THREADS);
	state = seed | 1;
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < SHARED; i++)
		shared[i] = open_shared(&state);
	pthread_barrier_init(&all_there, NULL, n_threads);
	for (uintptr_t i = 0; i < n_threads; i++)
		must("pthread_create", pthread_create(&threads[i], NULL, work, (void *)i));
	for (unsigned int i = 0; i < n_threads; i++)
		must("pthread_join", pthread_join(threads[i], NULL));
	printf("copies=%u forks=%u signals=%u reopenings=%u ", copies, forks, signals, reopenings);
	printf("replacements=%u intrusions=%u schedule=%016llx\n", replacements, intrusions,
	       schedule);
	return 0;
}
