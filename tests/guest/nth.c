// SPDX-License-Identifier: GPL-2.0
/*
 * nth: has the kernel fail the first, the second, ... allocation of one call of a lab's
 * driver, until the call succeeds and nothing was failed; and looks each time whether the
 * error is one that the driver may return, whether nothing is left mapped, pinned or in
 * use, and whether the driver works. Copies to and from user space are failed, too.
 *
 * It takes /proc/thread-self/fail-nth, so a debug kernel. Where the kernel can do without
 * what it does not get, the call succeeds.
 *
 * Of provider.ko it orders faults, too: then, a copy has to fail with the one error that is
 * named, and just as little is left.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dma_mmap.h"
#include "dma_sg.h"

#define MODULE		"./driver.ko"	/* whichever lab's */
#define PROVIDER	"/sys/module/provider/parameters/"
#define LAST		10000		/* more faults than any call has */
#define LEN		20002		/* bytes in a copy: no whole word, some pages */
#define BOTH		(2 * DMA_MMAP_SIZE)
#define PAGE		4096
#define BEFORE		8190		/* bytes of lab 3's copy in the first of two windows */

/* What a driver has, as others know it. */
struct lab {
	const char *module, *device, *node;
	const char *(*round)(void);	/* copies and compares: NULL, or what is wrong */
};

/* One call: 0, or -1 and errno. */
struct call {
	const char *name;
	int lab;
	void (*before)(void);
	int (*attempt)(void);
	const char *(*after)(bool succeeded);	/* NULL, or what is wrong */
};

/* What the kernel keeps books of. */
struct books {
	long mapped, pinned, channels, queued;
};

static const struct lab *lab;
static int file = -1;
static unsigned char *shown = MAP_FAILED;	/* lab 2's mapping */
static unsigned char source[DMA_MMAP_SIZE], copy[DMA_MMAP_SIZE];
static unsigned char *from = MAP_FAILED, *to = MAP_FAILED;
static struct dma_sg_copy request;

static void die(const char *format, ...)
{
	va_list words;

	va_start(words, format);
	vfprintf(stdout, format, words);
	va_end(words);
	putchar('\n');
	exit(EXIT_FAILURE);
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "an error without a name";
}

/* ---- the kernel's files ------------------------------------------------------ */

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	return fd;
}

static const char *text_in(const char *name)
{
	static char text[1 << 16];
	int fd = open_file(name, O_RDONLY);
	ssize_t n, len = 0;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return text;
}

/* The number in a file: the first, or behind a word. */
static long number_in(const char *name, const char *word)
{
	const char *at = strstr(text_in(name), word);

	if (!at)
		die("%s: there is no %s", name, word);
	return strtol(at + strlen(word), NULL, 0);
}

/* Each has a line with a bar. In_use of /sys/class/dma/ says the same, of one, and slowly. */
static long channels_in_use(void)
{
	const char *at = text_in("/sys/kernel/debug/dmaengine/summary");
	long n = 0;

	while ((at = strchr(at, '|'))) {
		at++;
		n++;
	}
	return n;
}

/* Of what is pinned each processor counts its own; who writes to stat_refresh adds it up. */
static void add_up(void)
{
	int fd = open_file("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (write(fd, "1", 1) < 0)
		die("stat_refresh: %s", strerror(errno));
	close(fd);
}

static struct books look(void)
{
	add_up();
	return (struct books) {
		.mapped = -number_in("/sys/kernel/debug/dma-api/num_free_entries", ""),
		.pinned = number_in("/proc/vmstat", "nr_foll_pin_acquired ") -
			  number_in("/proc/vmstat", "nr_foll_pin_released "),
		.channels = channels_in_use(),
		.queued = access(PROVIDER "queued", F_OK) ? 0 : number_in(PROVIDER "queued", ""),
	};
}

static const char *what_is_left(struct books then)
{
	struct books now = look();

	if (now.channels != then.channels)
		return "leaves a channel in use";
	if (now.mapped > then.mapped)
		return "leaves memory mapped for DMA";
	if (now.mapped < then.mapped)
		return "unmaps more than it has mapped";
	if (now.pinned != then.pinned)
		return "leaves pages pinned";
	if (now.queued != then.queued)
		return "leaves transfers in the queue";
	return NULL;
}

/* ---- whole rounds, whatever call is looked at ----------------------------------- */

static void fresh(void *bytes, size_t len)
{
	for (size_t done = 0; done < len; done += 256)
		if (getrandom((char *)bytes + done, len - done < 256 ? len - done : 256, 0) < 0)
			die("getrandom: %s", strerror(errno));
}

static int open_device(void)
{
	file = open(lab->device, O_RDWR | O_CLOEXEC);
	return file < 0 ? -1 : 0;
}

static void opened(void)
{
	if (open_device())
		die("%s: %s", lab->device, strerror(errno));
}

static void closed(void)
{
	if (file >= 0)
		close(file);
	file = -1;
}

/* errno is what the caller wants to know. */
static const char *failed_at(const char *what)
{
	int error = errno;

	closed();
	errno = error;
	return what;
}

static int write_all(void)
{
	return write(file, source, LEN) == LEN ? 0 : -1;
}

static int read_all(void)
{
	return pread(file, copy, LEN, 0) == LEN ? 0 : -1;
}

static const char *m2m_round(void)
{
	opened();
	fresh(source, LEN);
	errno = 0;
	if (write_all())
		return failed_at("write()");
	if (read_all())
		return failed_at("read()");
	closed();
	errno = 0;
	return memcmp(source, copy, LEN) ? "the copy" : NULL;
}

static int show_both(void)
{
	shown = mmap(NULL, BOTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	return shown == MAP_FAILED ? -1 : 0;
}

static void hide_both(void)
{
	if (shown != MAP_FAILED)
		munmap(shown, BOTH);
	shown = MAP_FAILED;
}

static int ask_for_copy(void)
{
	struct dma_mmap_copy ask = { .len = LEN };

	return ioctl(file, DMA_MMAP_COPY, &ask);
}

static const char *mmap_round(void)
{
	const char *wrong = NULL;

	opened();
	errno = 0;
	if (show_both())
		return failed_at("mmap()");
	fresh(shown, LEN);
	if (ask_for_copy())
		wrong = "ioctl()";
	else if (memcmp(shown, shown + DMA_MMAP_SIZE, LEN))
		wrong = "the copy";
	failed_at(NULL);
	hide_both();
	return wrong;
}

static void *room(void)
{
	void *at = mmap(NULL, 3 * DMA_SG_WINDOW, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || madvise(at, 3 * DMA_SG_WINDOW, MADV_NOHUGEPAGE))
		die("mmap: %s", strerror(errno));
	return at;
}

/* Every other page first: what lies side by side for us does not in memory. */
static void scatter(unsigned char *at, size_t len)
{
	for (int odd = 0; odd < 2; odd++)
		for (size_t done = odd * PAGE; done < len; done += 2 * PAGE)
			at[done] = 1;
}

/*
 * The copy runs over the end of a window, has several pieces in each, and the pages that
 * it goes to are not there yet.
 */
static void two_windows(void)
{
	uintptr_t end;

	from = room();
	to = room();
	end = ((uintptr_t)to + 2 * DMA_SG_WINDOW) / DMA_SG_WINDOW * DMA_SG_WINDOW;
	request = (struct dma_sg_copy) {
		.src = (uintptr_t)from + 3,
		.dst = end - BEFORE,
		.len = LEN,
	};
	scatter(from, LEN + 3);
	fresh(from + 3, LEN);
}

static int ask_for_sg(void)
{
	return ioctl(file, DMA_SG_COPY, &request);
}

/* Up to where it came, the copy is right; behind that, nothing is written. */
static const char *sg_copied(bool succeeded)
{
	const unsigned char *dst = (void *)(uintptr_t)request.dst;
	size_t copied = request.copied;
	const char *wrong = NULL;

	if (copied > LEN || (succeeded && copied != LEN))
		wrong = "tells of other bytes than it was asked for";
	else if (memcmp(from + 3, dst, copied))
		wrong = "tells of bytes that are not copied";
	for (size_t i = copied; !wrong && i < LEN; i++)
		if (dst[i])
			wrong = "writes more than it tells of";
	munmap(from, 3 * DMA_SG_WINDOW);
	munmap(to, 3 * DMA_SG_WINDOW);
	return wrong;
}

static const char *sg_round(void)
{
	int ret, error;

	opened();
	two_windows();
	ret = ask_for_sg();
	error = errno;
	closed();
	if (sg_copied(!ret) || ret) {
		errno = ret ? error : 0;
		return ret ? "ioctl()" : "the copy";
	}
	return NULL;
}

static const struct lab all_labs[] = {
	[1] = { "dma_m2m", "/dev/dma_m2m_misc_dev", "soc:dma-m2m", m2m_round },
	[2] = { "dma_mmap_driver", "/dev/dma_mmap", "soc:dma-mmap", mmap_round },
	[3] = { "dma_sg_driver", "/dev/dma_sg", "soc:dma-sg", sg_round },
};

/* ---- probe --------------------------------------------------------------------- */

static bool bound(void)
{
	char link[128];

	snprintf(link, sizeof(link), "/sys/bus/platform/devices/%s/driver", lab->node);
	return !access(link, F_OK);
}

/* As it was before the module came, it has to be when it has gone. */
static void unload(struct books rest)
{
	const char *wrong;

	if (syscall(SYS_delete_module, lab->module, O_NONBLOCK))
		die("rmmod %s: %s", lab->module, strerror(errno));
	if (!access(lab->device, F_OK))
		die("the module is gone, and %s is not", lab->device);
	wrong = what_is_left(rest);
	if (wrong)
		die("the module is gone, and %s", wrong);
}

/*
 * The module is there, and no driver bound: that is what the attempt is to do, and loading
 * does not (drivers_autoprobe is 0).
 */
static int prober = -1;

static void unbound(void)
{
	static struct books rest;
	int fd;

	if (prober >= 0 && !bound())
		return;
	if (prober >= 0) {
		unload(rest);
	} else {
		prober = open_file("/sys/bus/platform/drivers_probe", O_WRONLY);
		rest = look();
	}
	fd = open_file(MODULE, O_RDONLY);
	if (syscall(SYS_finit_module, fd, "", 0))
		die("insmod %s: %s", MODULE, strerror(errno));
	close(fd);
}

static int probe(void)
{
	return pwrite(prober, lab->node, strlen(lab->node), 0) < 0 ? -1 : 0;
}

/* What probe() returns, the bus keeps to itself. If it failed, it left no device. */
static const char *probed(bool succeeded)
{
	if (bound())
		return NULL;
	(void)succeeded;
	return access(lab->device, F_OK) ? NULL : "has failed, and the device is there";
}

/* ---- the calls ----------------------------------------------------------------- */

static void source_is_fresh(void)
{
	opened();
	fresh(source, LEN);
}

static const char *then_close(bool succeeded)
{
	(void)succeeded;
	closed();
	return NULL;
}

/* A copy that failed is nothing to be read. */
static const char *wrote(bool succeeded)
{
	ssize_t n = pread(file, copy, sizeof(copy), 0);

	closed();
	if (!succeeded)
		return n ? "has failed, and something can be read" : NULL;
	return n == LEN && !memcmp(source, copy, LEN) ? NULL : "succeeds, and the copy is wrong";
}

static void written(void)
{
	source_is_fresh();
	if (write_all())
		die("write: %s", strerror(errno));
}

static const char *was_read(bool succeeded)
{
	closed();
	return !succeeded || !memcmp(source, copy, LEN) ? NULL : "gives other bytes";
}

static const char *unmapped(bool succeeded)
{
	(void)succeeded;
	hide_both();
	closed();
	return NULL;
}

static void both_shown(void)
{
	opened();
	if (show_both())
		die("mmap: %s", strerror(errno));
	fresh(shown, LEN);
}

static const char *copied(bool succeeded)
{
	bool same = !memcmp(shown, shown + DMA_MMAP_SIZE, LEN);

	unmapped(succeeded);
	return !succeeded || same ? NULL : "succeeds, and the copy is wrong";
}

static void windows_ready(void)
{
	opened();
	two_windows();
}

static const char *windows_copied(bool succeeded)
{
	const char *wrong = sg_copied(succeeded);
	bool told = errno != EFAULT;

	closed();
	return succeeded || told ? wrong : NULL;
}

static void nothing(void)
{
}

static const struct call calls[] = {
	{ "probe", 1, unbound, probe, probed },
	{ "open", 1, nothing, open_device, then_close },
	{ "write", 1, source_is_fresh, write_all, wrote },
	{ "read", 1, written, read_all, was_read },
	{ "probe", 2, unbound, probe, probed },
	{ "open", 2, nothing, open_device, then_close },
	{ "mmap", 2, opened, show_both, unmapped },
	{ "ioctl", 2, both_shown, ask_for_copy, copied },
	{ "probe", 3, unbound, probe, probed },
	{ "open", 3, nothing, open_device, then_close },
	{ "ioctl", 3, windows_ready, ask_for_sg, windows_copied },
};

/* ---- faults ---------------------------------------------------------------------- */

/*
 * True if the kernel has failed something. Reading how many are to come is a copy to user
 * space itself, and may be what fails: then, the call had no fault. So may taking the order
 * back, once.
 */
static bool attempt(const struct call *call, int nth, int *ret)
{
	static int fd = -1;
	char text[16] = "";
	int error;

	if (fd < 0)
		fd = open_file("/proc/thread-self/fail-nth", O_RDWR);
	snprintf(text, sizeof(text), "%d", nth);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		die("fail-nth: %s", strerror(errno));
	*ret = call->attempt();
	error = errno;
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '1';
	if (pwrite(fd, "0", 1, 0) < 0 && pwrite(fd, "0", 1, 0) < 0)
		die("fail-nth: %s", strerror(errno));
	errno = error;
	return atoi(text) == 0;
}

/* What a copy from or to user space may fail with; and of lab 3 what the DMA API may. */
static bool is_clean(const struct call *call, int error)
{
	return error == ENOMEM || error == EFAULT || (error == EIO && call->lab == 3);
}

static void complain(const struct call *call, int nth, const char *what, const char *more)
{
	die("%s(), when fault %d is ordered, %s%s", call->name, nth, what, more);
}

/* errno says why, if it was an error. */
static const char *why(void)
{
	return errno ? error_name(errno) : "it is not what the source is";
}

/* What comes before, and is left, belongs to the attempt itself. */
static bool one(const struct call *call, int nth, bool *failed)
{
	const bool is_probe = call->attempt == probe;
	const char *wrong;
	struct books then;
	bool injected;
	int ret, error;

	if (is_probe)
		call->before();
	then = look();
	if (!is_probe)
		call->before();
	injected = attempt(call, nth, &ret);
	error = errno;
	wrong = call->after(!ret);
	*failed = is_probe ? !bound() : ret;
	if (ret && !is_probe && !is_clean(call, error))
		complain(call, nth, "fails with ", error_name(error));
	if (!injected && *failed)
		complain(call, nth, "fails, and there was no fault any more", "");
	if (!wrong && (!is_probe || *failed))
		wrong = what_is_left(then);
	if (wrong)
		complain(call, nth, wrong, "");
	return injected;
}

static void go_through(const struct call *call)
{
	int n = 0, refused = 0;
	bool failed, injected;
	const char *wrong;

	do {
		injected = one(call, ++n, &failed);
		refused += failed;
		wrong = bound() ? lab->round() : NULL;
		if (wrong)
			die("After %s(), for which fault %d was ordered, %s fails: %s",
			    call->name, n, wrong, why());
		if (n == LAST)
			complain(call, n, "is not through yet", "");
	} while (injected);
	printf("lab %td, %s: %d faults, all survived: %d calls failed, %d did without\n",
	       lab - all_labs, call->name, n - 1, refused, n - 1 - refused);
	if (n == 1)
		complain(call, n, "has none", "");
}

/* ---- the provider's faults ------------------------------------------------------- */

static const char *provider_file(const char *parameter)
{
	static char name[128];

	snprintf(name, sizeof(name), PROVIDER "%s", parameter);
	return name;
}

static void order(const char *parameter, int n)
{
	int fd = open_file(provider_file(parameter), O_WRONLY);

	if (dprintf(fd, "%d", n) < 0)
		die("%s: %s", parameter, strerror(errno));
	close(fd);
}

/* True if the copy failed, and as it has to; false if there was no fault any more. */
static bool provider_fails(const char *parameter, int n, const char *want)
{
	struct books then;
	const char *wrong;

	order(parameter, n);
	then = look();
	wrong = lab->round();
	if (wrong && strcmp(error_name(errno), want))
		die("%s was %d, and %s fails: %s, not %s", parameter, n, wrong, why(), want);
	if (strcmp(parameter, "room") && !wrong == !number_in(provider_file(parameter), ""))
		die(wrong ? "%s was %d, and the copy fails without it" :
		    "%s was %d, and the copy does not fail", parameter, n);
	if (!wrong)
		return false;
	wrong = what_is_left(then);
	if (wrong)
		die("%s was %d, and a copy that failed %s", parameter, n, wrong);
	return true;
}

/* The first, the second ...; or no room to map anything, then for a page, for two ... */
static void provider_faults(const char *parameter, const char *want)
{
	int first = strcmp(parameter, "room") ? 1 : 0, n = first;

	while (provider_fails(parameter, n, want))
		if (++n == 100)
			die("There is no end to what fails by %s", parameter);
	printf("lab %td, %s: %d faults, all survived\n", lab - all_labs, parameter, n - first);
	if (n == first)
		die("No copy came to its %s", parameter);
}

static int explain_usage(void)
{
	fputs("usage: nth LAB probe|open|mmap|ioctl|read|write\n"
	      "       nth LAB prepare|submit|transfer|room ERROR    what the provider fails\n"
	      "       nth LAB once    one copy, and no fault is ordered\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int number = argc >= 3 ? atoi(argv[1]) : 0;
	const char *wrong;

	if (number < 1 || number > 3)
		return explain_usage();
	lab = &all_labs[number];
	if (argc > 3) {
		provider_faults(argv[2], argv[3]);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[2], "once")) {
		wrong = lab->round();
		if (wrong)
			die("%s fails: %s", wrong, why());
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (calls[i].lab != number || strcmp(calls[i].name, argv[2]))
			continue;
		go_through(&calls[i]);
		return EXIT_SUCCESS;
	}
	return explain_usage();
}
