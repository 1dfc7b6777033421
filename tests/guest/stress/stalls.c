// SPDX-License-Identifier: GPL-2.0
/*
 * Thousands of copies by one device, with a DMA engine that stalls at random ones
 *
 * A worker asks for the copies, one after the other, and looks at what came of each. We
 * tell it when, and make the engine misbehave at its registers (BCM2835 ARM Peripherals,
 * chapter 4; see engine.sh).
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copies.h"

#define REGISTERS	4096
#define CS		0x00
#define CS_ACTIVE	1
#define CONBLK_AD	0x04
#define ENABLE		0xff0

#define LONG_MS		60000
#define POLLS		400000	/* a bound against hangs: 20 s and more */

/*
 * PLAIN: the engine runs. LATE: it stalls, and wakes in time. DEAD: it does not, and
 * the driver gives up; it wakes then, now and then. KILLED: nor does it, and the worker is
 * killed. CLOSE: it wakes when the driver may be about to give up.
 */
enum kind { PLAIN, LATE, DEAD, KILLED, CLOSE, KINDS };

static volatile __u32 *engine;
static unsigned int channel;

static pid_t worker;
static int orders, answers;	/* pipes to the worker, and back */

static unsigned int done[KINDS];
static unsigned int copied, timed_out, descriptors;

/* ---- the engine ----------------------------------------------------------- */

static volatile __u32 *register_at(unsigned int offset)
{
	return engine + (channel * 0x100 + offset) / 4;
}

static void map_engine(off_t address)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	void *p;

	if (fd < 0)
		wrong("/dev/mem: %s", strerror(errno));
	p = mmap(NULL, REGISTERS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, address);
	if (p == MAP_FAILED)
		wrong("/dev/mem: mmap: %s", strerror(errno));
	engine = p;
}

static void stop(void)
{
	engine[ENABLE / 4] &= ~(1U << channel);
}

static void start(void)
{
	engine[ENABLE / 4] |= 1U << channel;
}

/* What was parked runs now. */
static void wake(void)
{
	start();
	*register_at(CS) = 0;
	*register_at(CS) = CS_ACTIVE;
}

static bool has_work(void)
{
	return *register_at(CONBLK_AD);
}

/* Or for the driver to give up before we have seen it. */
static void wait_for_work(void)
{
	struct pollfd answer = { .fd = answers, .events = POLLIN };

	for (int i = 0; !has_work(); i++) {
		if (poll(&answer, 1, 0))
			return;
		if (i == POLLS)
			wrong("a copy does not come to the engine");
		usleep(50);
	}
}

/* ---- the driver ----------------------------------------------------------- */

static void wait_at_most(unsigned int ms)
{
	static unsigned int now;
	char path[128];
	FILE *file;

	if (ms == now)
		return;
	snprintf(path, sizeof(path), "/sys/module/%s/parameters/timeout_ms", module_of_device());
	file = fopen(path, "w");
	if (!file || fprintf(file, "%u\n", ms) < 0 || fclose(file))
		wrong("%s: %s", path, strerror(errno));
	now = ms;
}

/* ---- the worker ----------------------------------------------------------- */

struct order {
	unsigned int operation;
	enum kind kind;
	__u64 state;		/* of the numbers that are drawn for it */
};

struct answer {
	int error;
	unsigned int descriptors;
};

static void work(int from, int to)
{
	struct answer answer;
	struct order order;
	struct client c;
	bool nothing = false;

	open_client(&c);
	while (read(from, &order, sizeof(order)) == sizeof(order)) {
		if (nothing)
			look_at_nothing(&c);
		operation = order.operation;
		choose(&c, &order.state, LEAST_WORK);
		answer.error = ask(&c, c.fd);
		answer.descriptors = c.descriptors;
		if (!answer.error)
			look_at(&c, true);
		nothing = answer.error && order.kind == DEAD;
		if (write(to, &answer, sizeof(answer)) != sizeof(answer))
			wrong("the worker cannot answer");
	}
	close_client(&c, true);
	_exit(0);
}

static void hire(void)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		wrong("pipe: %s", strerror(errno));
	worker = fork();
	if (worker < 0)
		wrong("fork: %s", strerror(errno));
	if (!worker) {
		close(there[1]);
		close(back[0]);
		work(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	orders = there[1];
	answers = back[0];
}

static int dismiss(void)
{
	int status;

	close(orders);
	close(answers);
	if (waitpid(worker, &status, 0) != worker)
		wrong("waitpid: %s", strerror(errno));
	return status;
}

static void order_copy(enum kind kind, __u64 *state)
{
	struct order order = { .operation = operation, .kind = kind };

	order.state = draw(state, ~0ULL) | 1;
	if (write(orders, &order, sizeof(order)) != sizeof(order))
		wrong("there is no worker");
}

/* The worker has said what is wrong, if its status is 1. */
static int take_answer(void)
{
	struct answer answer;
	int status;

	if (read(answers, &answer, sizeof(answer)) != sizeof(answer)) {
		status = dismiss();
		start();
		if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
			_exit(1);
		wrong("the worker ended with status 0x%x", status);
	}
	if (!answer.error) {
		copied++;
		descriptors += answer.descriptors;
	} else if (answer.error == ETIMEDOUT) {
		timed_out++;
	}
	return answer.error;
}

/* ---- the kinds of copies -------------------------------------------------- */

static void expect(int error)
{
	int got = take_answer();

	if (got != error)
		wrong("the copy gave \"%s\", not \"%s\"", strerror(got), strerror(error));
}

/* Whoever woke it now would have it write to memory that may be somebody else's. */
static void expect_nothing_parked(const char *who)
{
	if (has_work())
		wrong("%s, and the engine still has the transfer: was it terminated?", who);
	start();
}

static void run_plain(__u64 *state)
{
	order_copy(PLAIN, state);
	expect(0);
}

static void run_late(__u64 *state)
{
	unsigned int delay = draw(state, 2000);

	stop();
	order_copy(LATE, state);
	wait_for_work();
	usleep(delay);
	wake();
	expect(0);
}

static void run_dead(__u64 *state)
{
	bool wakes = draw(state, 2);

	wait_at_most(1 + draw(state, 10));
	stop();
	order_copy(DEAD, state);
	expect(ETIMEDOUT);
	expect_nothing_parked("the driver has given up");
	if (wakes)
		wake();
}

static void run_killed(__u64 *state)
{
	bool wakes = draw(state, 2);

	stop();
	order_copy(KILLED, state);
	wait_for_work();
	kill(worker, SIGKILL);
	dismiss();
	expect_nothing_parked("the program is gone");
	if (wakes)
		wake();
	hire();
}

static void run_close(__u64 *state)
{
	unsigned int ms = 4 + draw(state, 8), delay = draw(state, 2 * 1000 * ms);
	int got;

	wait_at_most(ms);
	stop();
	order_copy(CLOSE, state);
	wait_for_work();
	usleep(delay);
	wake();
	got = take_answer();
	if (got && got != ETIMEDOUT)
		wrong("the engine was nearly too late, and the copy gave \"%s\"", strerror(got));
}

static void (*const run[KINDS])(__u64 *state) = {
	[PLAIN] = run_plain, [LATE] = run_late, [DEAD] = run_dead, [KILLED] = run_killed,
	[CLOSE] = run_close,
};

/* Of a hundred copies; those that are close have to be asked for. */
static enum kind choose_kind(__u64 *state, bool close_too)
{
	unsigned int what = draw(state, 100);

	if (close_too && what < 30)
		return CLOSE;
	if (what < 90)
		return PLAIN;
	if (what < 95)
		return LATE;
	return what < 98 ? DEAD : KILLED;
}

static void operate(__u64 *state, bool close_too)
{
	enum kind kind = choose_kind(state, close_too);

	wait_at_most(LONG_MS);
	done[kind]++;
	run[kind](state);
}

/* One copy, whatever comes of it. */
static int copy_once(void)
{
	__u64 state = 1;
	struct client c;
	int error;

	open_client(&c);
	choose(&c, &state, LEAST_WORK);
	error = ask(&c, c.fd);
	if (!error)
		look_at(&c, true);
	close_client(&c, true);
	puts(error ? strerrorname_np(error) : "ok");
	return 0;
}

int main(int argc, char **argv)
{
	__u64 state;
	unsigned int n;

	if (argc == 2) {
		choose_device(argv[1]);
		return copy_once();
	}
	if (argc < 6) {
		fprintf(stderr, "usage: stalls m2m|mmap|sg [SEED COPIES ENGINE CHANNEL [close]]\n");
		return 2;
	}
	choose_device(argv[1]);
	state = number(argv[2], 0) * 0x9e3779b97f4a7c15 | 1;
	n = number(argv[3], 1);
	map_engine(number(argv[4], 1));
	channel = number(argv[5], 0);
	signal(SIGPIPE, SIG_IGN);
	hire();
	for (operation = 0; operation < n; operation++)
		operate(&state, argc > 6);
	if (dismiss())
		return 1;
	printf("copied=%u timed_out=%u descriptors=%u plain=%u late=%u ", copied, timed_out,
	       descriptors, done[PLAIN], done[LATE]);
	printf("dead=%u killed=%u close=%u schedule=%016llx\n", done[DEAD], done[KILLED],
	       done[CLOSE], state);
	return 0;
}
