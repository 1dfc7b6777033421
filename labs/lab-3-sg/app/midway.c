// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that stop a copy in the middle, where they want it
 *
 * One page of the destination is a gate: it is missing, and userfaultfd tells us
 * when the driver comes to it, in pinning. Until we give the page, the copy waits.
 * The page is in the fifth window: four have been copied by then.
 *
 * To the shell, a test says "at the gate" and waits for SIGUSR1 to open it, and for
 * SIGUSR2 to kill the process that copies.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#define BIG		(256 * MIB)
#define PATIENCE	30	/* seconds for what takes milliseconds */
#define BEFORE		4	/* windows before the one with the gate */
#define WINDOWS		6	/* in a copy that is stopped */

/**
 * struct gate - a page that is not there until we say so
 * @fd: of userfaultfd
 * @at: the page
 * @reached: called when somebody needs it, before it is given
 * @seen: what @reached found
 */
struct gate {
	int fd;
	unsigned char *at;
	void (*reached)(struct gate *gate);
	long seen;
};

static void give_page(struct gate *gate)
{
	struct uffdio_zeropage zero = {
		.range = { (size_t)gate->at, page },
	};

	if (ioctl(gate->fd, UFFDIO_ZEROPAGE, &zero))
		die("UFFDIO_ZEROPAGE");
}

static void *keep_gate(void *arg)
{
	struct gate *gate = arg;
	struct uffd_msg msg;

	if (read(gate->fd, &msg, sizeof(msg)) != sizeof(msg))
		die("userfaultfd: read");
	gate->reached(gate);
	give_page(gate);
	return NULL;
}

/* False if the kernel does not have it. The page must not be there yet. */
static bool set_gate(struct gate *gate)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (size_t)gate->at, page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	gate->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (gate->fd < 0)
		return false;
	if (ioctl(gate->fd, UFFDIO_API, &api) || ioctl(gate->fd, UFFDIO_REGISTER, &range))
		die("userfaultfd");
	if (pthread_create(&thread, NULL, keep_gate, gate))
		die("pthread_create");
	pthread_detach(thread);
	return true;
}

/* ---- 256 MiB ------------------------------------------------------------- */

/* A number in each 512 bytes, at another place each time: cheap, and telling. */
static void stamp(unsigned char *at, size_t len)
{
	for (size_t i = 0; i < len; i += 512) {
		__u64 number = random64();

		memcpy(at + i + (number % 63) * 8, &number, sizeof(number));
	}
}

static void count_held(struct gate *gate)
{
	gate->seen = pins_held();
}

static size_t available(void)
{
	static const char file[] = "/proc/meminfo";
	FILE *meminfo = fopen(file, "r");
	size_t kib = 0;
	char line[128];

	if (!meminfo)
		die(file);
	while (fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "MemAvailable: %zu kB", &kib) == 1)
			break;
	fclose(meminfo);
	return kib * KIB;
}

/* Of a destination that a program can have had before: its pages are there. */
static int copy_big(unsigned char *src, unsigned char *dst)
{
	struct gate gate = { .at = dst + BIG / 2 + WINDOW / 2, .reached = count_held };
	long most = 4 * (WINDOW / page + 1), held = pins_held();
	struct dma_sg_copy copy;
	int error;

	if (madvise(gate.at, page, MADV_DONTNEED))
		die("madvise");
	if (!set_gate(&gate))
		gate.seen = held;
	error = ask(&copy, src, dst, BIG);
	if (error)
		return fail("A copy of 256 MiB failed with %s, after %lld bytes.", name_of(error),
			    (long long)copy.copied);
	if (gate.seen - held > most)
		return fail("In the middle of 256 MiB %ld pages were pinned; two windows at both\n"
			    "ends are %ld. See DMA_SG_WINDOW.", gate.seen - held, most);
	if (copy.copied != BIG || memcmp(src, dst, BIG))
		return fail("A copy of 256 MiB went wrong: @copied is %lld.",
			    (long long)copy.copied);
	return PASSED;
}

int big(void)
{
	unsigned char *src, *dst;
	int ret;

	if (available() < 2 * BIG + 32 * MIB)
		return skip("there is no memory for 256 MiB twice");
	/* Some seconds; but who knows how busy the machine is that emulates ours. */
	alarm(3 * PATIENCE);
	src = huge(BIG);
	dst = huge(BIG);
	stamp(src, BIG);
	ret = copy_big(src, dst);
	munmap(src, BIG);
	munmap(dst, BIG);
	return ret;
}

/* ---- copies that do not come to their end -------------------------------- */

/**
 * struct job - a copy by another process
 * @pid: the process
 * @src: its source, and ours
 * @dst: its destination, which is shared
 * @report: the structure of its ioctl, shared, too
 * @error: of its ioctl, shared, too; -1 before
 * @at_gate: pipe, tells us when it is there
 * @open: pipe, tells it to go on
 */
struct job {
	pid_t pid;
	unsigned char *src;
	unsigned char *dst;
	struct dma_sg_copy *report;
	int *error;
	int at_gate[2];
	int open[2];
};

static struct job job;

static void tell_and_wait(struct gate *gate)
{
	char byte = 0;

	(void)gate;
	if (write(job.at_gate[1], &byte, 1) != 1 || read(job.open[0], &byte, 1) != 1)
		die("pipe");
}

static void copy_to_gate(void)
{
	struct gate gate = {
		.at = job.dst + BEFORE * WINDOW + WINDOW / 2,
		.reached = tell_and_wait,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(job.at_gate[0]);
	close(job.open[1]);
	if (!set_gate(&gate))
		_exit(SKIPPED);
	*job.error = ask(job.report, job.src, job.dst, WINDOWS * WINDOW);
	_exit(PASSED);
}

/* All of the destination's pages are there, but for the gate. */
static void make_ends(void)
{
	size_t len = WINDOWS * WINDOW;

	job.src = memory(len);
	fill(job.src, len);
	job.dst = reserve(len, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (size_t i = 0; i < len; i += page)
		if (i != BEFORE * WINDOW + WINDOW / 2)
			job.dst[i] = 0;
	job.report = (void *)reserve(page, PROT_READ | PROT_WRITE, MAP_SHARED);
	job.error = (void *)(job.report + 1);
	*job.error = -1;
}

/* Whether the child came to the gate; its status, when it has ended before. */
static int start_job(void)
{
	struct pollfd told;
	int status;

	alarm(3 * PATIENCE);
	make_ends();
	if (pipe2(job.at_gate, O_CLOEXEC) || pipe2(job.open, O_CLOEXEC))
		die("pipe");
	job.pid = fork();
	if (job.pid < 0)
		die("fork");
	if (!job.pid)
		copy_to_gate();
	close(job.at_gate[1]);
	close(job.open[0]);
	told.fd = job.at_gate[0];
	told.events = POLLIN;
	if (poll(&told, 1, PATIENCE * 1000) == 1 && told.revents & POLLIN)
		return PASSED;
	kill(job.pid, SIGKILL);
	if (waitpid(job.pid, &status, 0) == job.pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == SKIPPED)
		return skip("this kernel has no userfaultfd");
	return fail("The copy ended, with %s after %lld bytes, before its fifth window.",
		    *job.error < 0 ? "no result" : name_of(*job.error),
		    (long long)job.report->copied);
}

/* Within PATIENCE, where milliseconds are expected. */
static bool job_ends(void)
{
	const struct timespec while_ = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < PATIENCE * 100; i++) {
		if (waitpid(job.pid, NULL, WNOHANG) == job.pid)
			return true;
		nanosleep(&while_, NULL);
	}
	return false;
}

static int kill_job(void)
{
	kill(job.pid, SIGKILL);
	if (job_ends())
		return PASSED;
	return fail("A killed process does not end while its copy waits: see\n"
		    "wait_for_completion_killable_timeout().");
}

/*
 * Four windows have been copied; behind them @touched bytes may be touched. Where
 * there is little room to bounce, windows are smaller, and it came up to the gate.
 */
static int came_as_far_as_said(size_t touched)
{
	size_t done = job.report->copied;

	if (done != BEFORE * WINDOW && done != BEFORE * WINDOW + WINDOW / 2)
		return fail("Four windows of 2 MiB were copied, and @copied says %lld bytes.\n"
			    "Is the report given to the program on failure, too?",
			    (long long)job.report->copied);
	if (memcmp(job.src, job.dst, done))
		return fail("Four windows were copied, says @copied, and their bytes are others.");
	for (size_t i = done + touched; i < WINDOWS * WINDOW; i++)
		if (job.dst[i])
			return fail("Byte %zu was written to, and @copied is %zu.", i, done);
	return PASSED;
}

/* SIGUSR1 or SIGUSR2, from the shell. */
static void wait_for(int sig)
{
	const struct timespec patience = { .tv_sec = PATIENCE };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, sig);
	if (sigtimedwait(&signals, NULL, &patience) != sig)
		die("the shell's signal");
}

static int wait_at_gate(void)
{
	sigset_t signals;
	int ret;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	ret = start_job();
	if (ret)
		return ret;
	puts("at the gate");
	fflush(stdout);
	wait_for(SIGUSR1);
	if (write(job.open[1], "", 1) != 1)
		die("pipe");
	return PASSED;
}

/* ---- the tests ----------------------------------------------------------- */

int killed_pinning(void)
{
	int ret = start_job();

	if (ret)
		return ret;
	return kill_job() || came_as_far_as_said(0) ? FAILED : PASSED;
}

/* The engine stands still, with the fifth window. */
int killed_copying(void)
{
	int ret = wait_at_gate();

	if (ret)
		return ret;
	wait_for(SIGUSR2);
	return kill_job() || came_as_far_as_said(WINDOW) ? FAILED : PASSED;
}

int timed_out_late(void)
{
	int ret = wait_at_gate();

	if (ret)
		return ret;
	if (!job_ends())
		return fail("A copy waits for a dead engine without a bound.");
	if (*job.error != ETIMEDOUT)
		return fail("The engine was dead, and DMA_SG_COPY gave %s, not ETIMEDOUT.",
			    name_of(*job.error));
	return came_as_far_as_said(WINDOW);
}
