// SPDX-License-Identifier: GPL-2.0
/*
 * referee: runs an emulated machine, passes its results on, gives the verdict.
 *
 * The machine is a child that dies with us. Its results come on its standard
 * output, its console on file descriptor 3, each line by line, each within a
 * bound. Nothing but a complete, well-formed run that ended by itself passes:
 * everything else is a failure with its cause named on standard error.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	4096
#define RESULTS_MAX	(1024 * 1024)	/* bytes; a lab's tests print some thousand */
#define CONSOLE_MAX	(2 * 1024 * 1024)	/* bytes; a boot prints some ten thousand */
#define PATTERNS_MAX	32
#define END_SECONDS	30		/* from the verdict to the machine's end */
#define OOPS_SECONDS	30		/* silence after an oops: its process hangs */
#define AWAKE_SECONDS	40		/* from the start to a kernel's first word */
#define EXIT_TROUBLE	125		/* the machine could not be run at all */

/* One of the machine's serial lines, read line by line. */
struct stream {
	const char *name;
	int fd;
	size_t used;
	size_t total;
	size_t limit;
	bool cut;
	char line[LINE_MAX_BYTES + sizeof(" [...]")];
	void (*take)(const char *line);
};

/* What the command line asked for. */
static struct {
	int seconds;
	int begin_seconds;
	int awake_seconds;
	bool ktap;
	bool interactive;
	const char *log;
	const char *reports;
	const char *input;
	const char *save;
} option = { .seconds = 60, .awake_seconds = AWAKE_SECONDS, .input = "/dev/null" };

/* What is known of the run so far. */
static struct {
	pid_t machine;
	bool ended;
	int wait_status;	/* the machine's, once it has ended */
	int monitor[2];		/* the pipe to its standard input */
	FILE *log;
	regex_t pattern[PATTERNS_MAX];
	int patterns;
	bool blank;		/* an empty line of results is held back */
	bool begun;		/* before that, the port carries its own probing */
	int plan;
	int results;
	int failed;
	int first_failed;	/* its number, 0 while there is none */
	bool idle;		/* the command did not even begin */
	int status;		/* the command's exit status, -1 before the verdict */
	bool logged;		/* the console has all from before the verdict */
	bool stop;
	bool oopsed;		/* a process of the guest's was ended in its kernel */
	char report[256];	/* the first trouble the guest's kernel reported */
	char culprit[64];	/* ", in function()" of a module, where that began */
	char last[256];		/* the last line of the console */
	char cause[512];	/* why the run fails, empty while it does not */
} run = { .plan = -1, .status = -1 };

/*
 * The signals that end us, and SIGCHLD, which ends a wait; all are blocked but
 * for the moments when we wait.
 */
static sigset_t signals;
static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		caught = sig;
}

static void catch_signal(int sig)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaddset(&signals, sig);
	sigaction(sig, &action, NULL);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

static void die(const char *what)
{
	fprintf(stderr, "referee: %s: %s\n", what, strerror(errno));
	exit(EXIT_TROUBLE);
}

/* The first cause is the one that counts: what follows is its consequence. */
__attribute__((format(printf, 1, 2)))
static void blame(const char *format, ...)
{
	va_list args;

	if (run.cause[0])
		return;
	va_start(args, format);
	vsnprintf(run.cause, sizeof(run.cause), format, args);
	va_end(args);
}

/* ---- KTAP ------------------------------------------------------------ */

static void take_result(const char *line, bool ok)
{
	int number;

	if (sscanf(line, ok ? "ok %d" : "not ok %d", &number) != 1)
		number = -1;
	if (run.plan < 0)
		blame("a result came before the plan: \"%s\"", line);
	else if (number != run.results + 1)
		blame("result %d was due, and this came: \"%s\"", run.results + 1, line);
	run.results++;
	run.failed += !ok;
	if (!ok && !run.first_failed)
		run.first_failed = run.results;
}

static void take_plan(const char *line)
{
	int count, end = 0;

	if (sscanf(line, "1..%d%n", &count, &end) != 1 || line[end] || count < 1)
		blame("this is no plan: \"%s\"", line);
	else if (run.plan >= 0)
		blame("a second plan came: \"%s\"", line);
	else
		run.plan = count;
}

/* Lines that are indented, or comments, are for people. */
static void take_ktap(const char *line)
{
	if (!strncmp(line, "1..", 3))
		take_plan(line);
	else if (!strncmp(line, "ok ", 3) || !strcmp(line, "ok"))
		take_result(line, true);
	else if (!strncmp(line, "not ok ", 7) || !strcmp(line, "not ok"))
		take_result(line, false);
	else if (!strncmp(line, "Bail out!", 9))
		blame("the tests gave up: %s", line);
}

static void judge_ktap(void)
{
	/* A script may find out before it plans that nothing can be tested. */
	if (run.status == 4 && run.plan < 0 && !run.results)
		return;
	if (run.plan < 0)
		blame("the tests ended without a plan");
	else if (run.results != run.plan)
		blame("%d tests were planned, %d gave a result", run.plan, run.results);
	else if (!run.failed != (run.status == 0 || run.status == 4))
		blame("%d tests failed, yet the script's exit status is %d",
		      run.failed, run.status);
}

/* ---- the two streams ------------------------------------------------- */

/*
 * A run that has failed has nothing to win any more: the machine need not shut down.
 * Where the kernel may still have something to say about it, that was waited for.
 */
static void stop_if_failed(void)
{
	if (run.logged && run.status > 0 && run.status != 4)
		run.stop = true;
}

/* Holds an empty line back until it is not the one before the verdict. */
static void pass_on(const char *line)
{
	if (run.blank)
		puts("");
	run.blank = !line[0];
	if (line[0])
		puts(line);
	fflush(stdout);
}

/* A guest that is to be saved has done its part when it is ready. */
static void save_machine(void)
{
	dprintf(run.monitor[1], "%s\nquit\n", option.save);
	run.status = 0;
	run.begun = true;
}

static void take_results_line(const char *line)
{
	int status, end = 0;

	if (!run.begun && option.save && !strcmp(line, "pi: ready")) {
		save_machine();
	} else if (!run.begun) {
		run.begun = !strcmp(line, "pi: begin");
	} else if (run.status >= 0) {
		blame("output came after the verdict: \"%s\"", line);
	} else if (sscanf(line, "pi: exit %d%n", &status, &end) == 1 && !line[end]) {
		run.status = status & 255;
		stop_if_failed();
	} else {
		pass_on(line);
		if (option.ktap)
			take_ktap(line);
	}
}

/* A kernel that is dead or off never ends by itself: no use in waiting. */
static bool guest_is_gone(const char *line)
{
	return strstr(line, "end Kernel panic") ||
	       strstr(line, "Fixing recursive fault but reboot is needed") ||
	       strstr(line, "reboot: Power down") ||
	       strstr(line, "reboot: System halted");
}

/*
 * The first function of a module's in what the kernel says after its report:
 * "dma_m2m_write+0x1c/0x60 [dma_m2m]".
 */
static void find_culprit(const char *line)
{
	const char *plus = strstr(line, "+0x");
	const char *name = plus;

	if (run.culprit[0] || !plus || !strstr(plus, " ["))
		return;
	while (name > line && name[-1] != ' ')
		name--;
	snprintf(run.culprit, sizeof(run.culprit), ", in %.*s()", (int)(plus - name), name);
}

static void take_console_line(const char *line)
{
	fprintf(run.log, "%s\n", line);
	fflush(run.log);
	if (line[0])
		snprintf(run.last, sizeof(run.last), "%s", line);
	for (int i = 0; !run.report[0] && i < run.patterns; i++)
		if (!regexec(&run.pattern[i], line, 0, NULL, 0))
			snprintf(run.report, sizeof(run.report), "%s", line);
	if (run.report[0])
		find_culprit(line);
	if (strstr(line, "Internal error: "))
		run.oopsed = true;
	if (strstr(line, "Kernel panic - not syncing"))
		blame("the guest's kernel panicked: %s%s", line, run.culprit);
	else if (strstr(line, "Fixing recursive fault"))
		blame("the guest's kernel is past help: %s%s",
		      run.report[0] ? run.report : line, run.culprit);
	else if (guest_is_gone(line) && run.status < 0)
		blame("the guest switched itself off before the verdict: %s", line);
	if (guest_is_gone(line))
		run.stop = true;
	if (strstr(line, "pi: the command has ended")) {
		run.logged = true;
		stop_if_failed();
	}
}

/*
 * Nothing that a terminal would obey gets through: no control character, nor one
 * of the second set, which stands alone or, in UTF-8, after 0xc2.
 */
static bool is_obeyed(unsigned char c, unsigned char before)
{
	if (c < ' ')
		return c != '\t';
	return c == 0x7f || (c >= 0x80 && c < 0xa0 && (before < 0x80 || before == 0xc2));
}

/* What is too long for a line is cut: its rest must not pass for a line. */
static void end_line(struct stream *s)
{
	unsigned char before = 0;

	for (size_t i = 0; i < s->used; i++) {
		unsigned char c = s->line[i];

		if (is_obeyed(c, before))
			s->line[i] = '?';
		before = c;
	}
	snprintf(s->line + s->used, sizeof(s->line) - s->used, "%s", s->cut ? " [...]" : "");
	s->used = 0;
	s->cut = false;
	s->take(s->line);
}

static void take_byte(struct stream *s, char c)
{
	if (c == '\n')
		end_line(s);
	else if (s->used == LINE_MAX_BYTES)
		s->cut = true;
	else if (c != '\r')
		s->line[s->used++] = c;
}

/* Reads what is there; false at the end of the stream. */
static bool drain(struct stream *s)
{
	char buf[4096];
	ssize_t got = read(s->fd, buf, sizeof(buf));

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0) {
		if (s->used)
			end_line(s);
		return false;
	}
	s->total += got;
	if (s->total > s->limit) {
		blame("the guest printed more than %zu bytes to its %s", s->limit, s->name);
		run.stop = true;
		return true;
	}
	for (ssize_t i = 0; i < got; i++)
		take_byte(s, buf[i]);
	return true;
}

/* ---- the machine ----------------------------------------------------- */

static void exec_machine(char **argv, int results, int console)
{
	int input = option.save ? run.monitor[0] : open(option.input, O_RDONLY | O_CLOEXEC);

	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	if (!option.interactive) {
		setpgid(0, 0);
		dup2(input, STDIN_FILENO);
		dup2(results, STDOUT_FILENO);
		dup2(console, STDERR_FILENO);
		dup2(console, 3);
	}
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_TROUBLE);
}

/* The machine must not outlive us, however we end. */
static void start_machine(char **argv, int *results, int *console)
{
	pid_t referee = getpid();
	int r[2], c[2];

	if (pipe2(r, O_CLOEXEC) || pipe2(c, O_CLOEXEC) || pipe2(run.monitor, O_CLOEXEC))
		die("pipe");
	run.machine = fork();
	if (run.machine < 0)
		die("fork");
	if (!run.machine) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != referee)
			_exit(EXIT_TROUBLE);
		exec_machine(argv, r[1], c[1]);
	}
	close(r[1]);
	close(c[1]);
	*results = r[0];
	*console = c[0];
}

static bool has_ended(void)
{
	if (!run.ended)
		run.ended = waitpid(run.machine, &run.wait_status, WNOHANG) == run.machine;
	return run.ended;
}

static void stop_machine(void)
{
	if (!has_ended()) {
		kill(run.machine, SIGKILL);
		waitpid(run.machine, &run.wait_status, 0);
		run.ended = true;
	}
}

/* True when the machine says something, or ends; false when it is silent for too long. */
static bool wakes_up(const struct stream *streams)
{
	struct timespec wait = { .tv_sec = option.awake_seconds };
	struct pollfd fds[2] = {
		{ .fd = streams[0].fd, .events = POLLIN },
		{ .fd = streams[1].fd, .events = POLLIN },
	};
	sigset_t none;

	sigemptyset(&none);
	return ppoll(fds, 2, &wait, &none);
}

/*
 * QEMU was seen to sleep for ever before its first instruction, once in thousands of
 * runs: a machine that boots, and says nothing, is started again. What one from a snapshot
 * reads cannot be had twice: there, whoever called us does it.
 */
static void start_awake(char **argv, struct stream *streams)
{
	start_machine(argv, &streams[0].fd, &streams[1].fd);
	if (option.begin_seconds || option.seconds <= option.awake_seconds || wakes_up(streams))
		return;
	stop_machine();
	run.ended = false;
	for (int i = 0; i < 2; i++) {
		close(streams[i].fd);
		close(run.monitor[i]);
	}
	fprintf(stderr, "==> QEMU has not begun within %d s: starting it again\n",
		option.awake_seconds);
	start_machine(argv, &streams[0].fd, &streams[1].fd);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long earlier(long one, long other)
{
	return one < other ? one : other;
}

static void out_of_time(void)
{
	if (run.status >= 0)
		blame("the guest gave its verdict, and did not end within %d s", END_SECONDS);
	else if (run.idle)
		blame("the command did not begin within %d s", option.begin_seconds);
	else if (run.oopsed)
		blame("after result %d it hung, as the guest's kernel had reported: %s%s",
		      run.results, run.report, run.culprit);
	else
		blame("no verdict within %d s: after result %d it hung; last on the console: %s",
		      option.seconds, run.results, run.last);
	run.stop = true;
}

/* Follows the machine until it has ended and all is read, or a bound is met. */
static void follow(struct stream *streams)
{
	long overdue = milliseconds() + option.seconds * 1000L, deadline = overdue;
	long begin_by = option.begin_seconds ?
		milliseconds() + option.begin_seconds * 1000L : deadline;
	struct pollfd fds[2] = {
		{ .fd = streams[0].fd, .events = POLLIN },
		{ .fd = streams[1].fd, .events = POLLIN },
	};
	bool verdict = false;
	sigset_t none;

	sigemptyset(&none);
	while (!run.stop && !caught && (!has_ended() || fds[0].fd >= 0 || fds[1].fd >= 0)) {
		long left = (run.begun ? deadline : begin_by) - milliseconds();
		struct timespec wait = { left / 1000, left % 1000 * 1000000 };

		if (left <= 0) {
			run.idle = !run.begun && option.begin_seconds;
			out_of_time();
			break;
		}
		if (ppoll(fds, 2, &wait, &none) <= 0)
			continue;
		for (int i = 0; i < 2 && !run.stop; i++)
			if (fds[i].revents && !drain(&streams[i]))
				fds[i].fd = -1;
		if (run.oopsed && run.status < 0)
			deadline = earlier(overdue, milliseconds() + OOPS_SECONDS * 1000L);
		if (run.status >= 0 && !verdict && !option.save)
			deadline = milliseconds() + END_SECONDS * 1000L;
		verdict = run.status >= 0;
	}
}

static void judge_end(int status)
{
	if (WIFSIGNALED(status))
		blame("QEMU was killed by signal %d (%s)", WTERMSIG(status),
		      strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		blame("QEMU ended with status %d: %s", WEXITSTATUS(status), run.last);
	else if (run.status < 0)
		blame("the guest rebooted before the verdict; last on the console: %s",
		      run.last);
}

static void judge(void)
{
	if (!run.stop)
		judge_end(run.wait_status);
	if (option.ktap)
		judge_ktap();
	if (run.report[0])
		blame("the guest's kernel reported trouble: %s%s", run.report, run.culprit);
	if (fflush(stdout) || ferror(stdout))
		blame("the results could not be passed on: is a disk full?");
}

/* A log of its own: another run that has the same name open keeps its file. */
static void open_log(void)
{
	struct stat st;

	if (!lstat(option.log, &st) && S_ISREG(st.st_mode))
		unlink(option.log);
	run.log = fopen(option.log, "we");
	if (!run.log)
		die(option.log);
}

/* Where to begin, when the tests themselves did not come to the point of saying so. */
static void say_how_far(void)
{
	int here = run.results + 1;

	if (!option.ktap || run.plan <= 0 || run.results >= run.plan)
		return;
	fprintf(stderr, "  %d of %d passed, %d did not end. Begin with step %d.\n",
		run.results - run.failed, run.plan, here,
		run.first_failed ? run.first_failed : here);
	fprintf(stderr, "  (Or with what you changed last: it may break a step that worked.)\n");
}

static int referee(char **argv)
{
	struct stream streams[2] = {
		{ .name = "results", .limit = RESULTS_MAX, .take = take_results_line },
		{ .name = "console", .limit = CONSOLE_MAX, .take = take_console_line },
	};
	bool could_run;

	open_log();
	start_awake(argv, streams);
	follow(streams);
	stop_machine();
	if (caught)
		return 128 + caught;
	judge();
	if (!run.cause[0])
		return run.status;
	fprintf(stderr, "pi/run: %s\n", run.cause);
	say_how_far();
	fprintf(stderr, "  the console's log: %s\n", option.log);
	could_run = run.stop || run.begun || !WIFEXITED(run.wait_status) ||
		    !WEXITSTATUS(run.wait_status);
	return could_run && !run.idle ? EXIT_FAILURE : EXIT_TROUBLE;
}

/*
 * Waits for a signal, or for the terminal to be closed: that is a signal to
 * its first process alone, which may be a make that waits for us.
 */
static bool terminal_is_gone(bool terminal, const sigset_t *unblocked)
{
	struct pollfd fd = { .fd = terminal ? STDIN_FILENO : -1 };

	return ppoll(&fd, 1, NULL, unblocked) > 0;
}

/* The terminal is the machine's; it comes back as it was, whatever happened. */
static int interactive(char **argv)
{
	bool terminal = isatty(STDIN_FILENO);
	struct termios saved;
	int results, console;
	sigset_t none;

	if (terminal)
		tcgetattr(STDIN_FILENO, &saved);
	start_machine(argv, &results, &console);
	sigemptyset(&none);
	while (!has_ended() && !caught && !terminal_is_gone(terminal, &none))
		;
	stop_machine();
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	if (caught)
		return 128 + caught;
	return WIFEXITED(run.wait_status) ? WEXITSTATUS(run.wait_status) : EXIT_FAILURE;
}

static void read_reports(void)
{
	FILE *file = fopen(option.reports, "re");
	char line[256];

	if (!file)
		die(option.reports);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (run.patterns == PATTERNS_MAX ||
		    regcomp(&run.pattern[run.patterns++], line, REG_EXTENDED | REG_NOSUB)) {
			errno = EINVAL;
			die(option.reports);
		}
	}
	fclose(file);
}

static void die_of_usage(void)
{
	fprintf(stderr,
		"usage: referee [-k] [-t SECONDS] [-a SECONDS] [-b SECONDS] [-f FILE] -l LOG -r REPORTS MACHINE [ARGUMENT...]\n"
		"       referee -s WORDS [-t SECONDS] [-a SECONDS] -l LOG -r REPORTS MACHINE [ARGUMENT...]\n"
		"       referee -i MACHINE [ARGUMENT...]\n"
		"  -k  the results are KTAP: judge them\n"
		"  -t  seconds until the verdict is overdue (default 60)\n"
		"  -a  seconds until it has said a word: else it is started again, once, and\n"
		"      has its time anew (default %d)\n"
		"  -b  seconds until the command has to have begun: else it could not be run\n"
		"  -l  the console's log\n"
		"  -r  regular expressions, one a line, of what a kernel in trouble prints\n"
		"  -f  the machine's standard input (default /dev/null)\n"
		"  -s  what the machine's monitor, its standard input, is told when its guest is\n"
		"      ready to be saved: nothing else is awaited\n"
		"  -i  no results, no verdict: the terminal is the machine's\n",
		AWAKE_SECONDS);
	exit(EXIT_TROUBLE);
}

static int seconds(const char *argument)
{
	char *end;
	long n = strtol(argument, &end, 10);

	if (*end || n < 1)
		die_of_usage();
	return n;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+kit:a:b:l:r:f:s:")) != -1) {
		switch (c) {
		case 'k':
			option.ktap = true;
			break;
		case 'i':
			option.interactive = true;
			break;
		case 't':
			option.seconds = seconds(optarg);
			break;
		case 'a':
			option.awake_seconds = seconds(optarg);
			break;
		case 'b':
			option.begin_seconds = seconds(optarg);
			break;
		case 'l':
			option.log = optarg;
			break;
		case 'r':
			option.reports = optarg;
			break;
		case 'f':
			option.input = optarg;
			break;
		case 's':
			option.save = optarg;
			break;
		default:
			die_of_usage();
		}
	}
	if (optind == argc)
		die_of_usage();
	if (!option.interactive && (!option.log || !option.reports))
		die_of_usage();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	sigemptyset(&signals);
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
	catch_signal(SIGHUP);
	catch_signal(SIGCHLD);
	if (option.interactive)
		return interactive(argv + optind);
	read_reports();
	return referee(argv + optind);
}
