// SPDX-License-Identifier: GPL-2.0
/*
 * What lab 2's test.sh needs and a shell cannot do: mappings, ioctls, threads.
 *
 * Each test is a function that returns 0, or 1 after it has said on standard
 * output what is wrong and where to look. The jobs below them do one thing, for
 * the shell to look on. A driver that does not come back is given twenty seconds,
 * then SIGALRM ends us, if the driver can be ended.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dma_mmap.h"

#define DEVICE		"/dev/dma_mmap"
#define SIZE		((size_t)DMA_MMAP_SIZE)
#define BOTH		(2 * SIZE)
#define RDWR		(PROT_READ | PROT_WRITE)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* An open file, and its memory: the destination follows the source. */
struct file {
	int fd;
	unsigned char *src;
	unsigned char *dst;
};

static size_t page;

/* ---- words --------------------------------------------------------------- */

static int hint(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return EXIT_FAILURE;
}

/* What may come of an ioctl(), besides 0 and an error. */
#define POSITIVE	(-1)
#define CRASHED		(-2)

static const char *name_of(int error)
{
	const char *name = strerrorname_np(error);

	if (error == POSITIVE)
		return "a number above 0";
	if (error == CRASHED)
		return "the driver crashed";
	return error ? name ? name : strerror(error) : "success";
}

static void die(const char *what)
{
	exit(hint("%s: %s.", what, name_of(errno)));
}

/* ---- memory -------------------------------------------------------------- */

static unsigned char *map_or_die(int fd, size_t len, off_t offset)
{
	void *mapping = mmap(NULL, len, RDWR, MAP_SHARED, fd, offset);

	if (mapping == MAP_FAILED) {
		printf("mmap() of %zu bytes at offset %lld:\n", len, (long long)offset);
		die(DEVICE);
	}
	return mapping;
}

static void unmap_or_die(void *mapping, size_t len)
{
	if (munmap(mapping, len))
		die("munmap()");
}

static int open_or_die(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		exit(hint(DEVICE ": ENOENT. Is the module loaded?"));
	if (fd < 0)
		die(DEVICE);
	return fd;
}

static void close_or_die(int fd)
{
	if (close(fd))
		die("close()");
}

static struct file map_file(int fd)
{
	struct file f = { .fd = fd };

	f.src = map_or_die(fd, BOTH, 0);
	f.dst = f.src + SIZE;
	return f;
}

static struct file open_and_map(void)
{
	return map_file(open_or_die());
}

static void unmap_and_close(const struct file *f)
{
	unmap_or_die(f->src, BOTH);
	close_or_die(f->fd);
}

static void *allocate(size_t len)
{
	void *memory = malloc(len);

	if (!memory)
		die("malloc()");
	return memory;
}

/* Other bytes at each call, in each thread: xorshift, with a seed from the kernel. */
static __u64 random_word(void)
{
	static __thread __u64 state;

	while (!state)
		if (getrandom(&state, sizeof(state), 0) != sizeof(state))
			die("getrandom()");
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Whole words: len is a multiple of eight. */
static void scramble(unsigned char *memory, size_t len)
{
	size_t i;
	__u64 word;

	for (i = 0; i < len; i += sizeof(word)) {
		word = random_word();
		memcpy(memory + i, &word, sizeof(word));
	}
}

/* The first byte at which the two differ, or len. */
static size_t difference(const unsigned char *a, const unsigned char *b, size_t len)
{
	size_t i = 0;

	if (!memcmp(a, b, len))
		return len;
	while (i < len && a[i] == b[i])
		i++;
	return i;
}

/* The first byte that is not zero, or len. */
static size_t not_zero(const unsigned char *memory, size_t len)
{
	size_t i = 0;

	while (i < len && !memory[i])
		i++;
	return i;
}

/* ---- copies -------------------------------------------------------------- */

/* 0, the errno, or POSITIVE. */
static int call(int fd, unsigned long command, const void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? errno : ret ? POSITIVE : 0;
}

static int ask(int fd, size_t len)
{
	struct dma_mmap_copy copy = { .len = len };

	return call(fd, DMA_MMAP_COPY, &copy);
}

/*
 * Random bytes at both ends, one copy of len, and a look at every byte: len of
 * them have come, no other has changed.
 */
static int check_copy(const struct file *f, size_t len)
{
	unsigned char *was = allocate(BOTH);
	int error, bad = 0;
	size_t at;

	scramble(was, BOTH);
	memcpy(f->src, was, BOTH);
	error = ask(f->fd, len);
	if (error)
		bad = hint("DMA_MMAP_COPY of %zu bytes: %s. Is the transfer started, by\n"
			   "dma_async_issue_pending()? Does its callback call complete()?",
			   len, name_of(error));
	at = difference(f->dst, was, len);
	if (!bad && at < len)
		bad = hint("DMA_MMAP_COPY of %zu bytes said that all is well, and byte %zu\n"
			   "of the destination is not the source's. Was the transfer waited for? Are\n"
			   "its addresses and its length those of this file's memory?", len, at);
	at = difference(f->dst + len, was + SIZE + len, SIZE - len);
	if (!bad && at < SIZE - len)
		bad = hint("DMA_MMAP_COPY of %zu bytes changed byte %zu of the destination, too.",
			   len, len + at);
	at = difference(f->src, was, SIZE);
	if (!bad && at < SIZE)
		bad = hint("DMA_MMAP_COPY of %zu bytes changed byte %zu of the source.", len, at);
	free(was);
	return bad;
}

static int copies_every_length(void)
{
	static const size_t lengths[] = {
		SIZE, 4, 1, 2, 3, 5, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097,
		SIZE / 2 - 1, SIZE / 2, SIZE / 2 + 1, SIZE - 4, SIZE - 3, SIZE - 2, SIZE - 1, SIZE,
	};
	struct file f = open_and_map();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		if (check_copy(&f, lengths[i]))
			return EXIT_FAILURE;
	for (i = 0; i < 25; i++)
		if (check_copy(&f, random_word() % SIZE + 1))
			return EXIT_FAILURE;
	unmap_and_close(&f);
	return 0;
}

/* ---- whose memory -------------------------------------------------------- */

static int check_zero(const struct file *f)
{
	size_t at = not_zero(f->src, BOTH);

	if (at == BOTH)
		return 0;
	return hint("A file was just opened, and byte %zu of its %s is not zero: it shows\n"
		    "what another has left there. dma_alloc_coherent() in open() gives zeroed memory.",
		    at % SIZE, at < SIZE ? "source" : "destination");
}

/* Memory is used again sooner or later: each round leaves other bytes in it. */
static int starts_zeroed(void)
{
	struct file f[4];
	size_t i, round;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < ARRAY_SIZE(f); i++)
			f[i] = open_and_map();
		for (i = 0; i < ARRAY_SIZE(f); i++)
			if (check_zero(&f[i]))
				return EXIT_FAILURE;
		for (i = 0; i < ARRAY_SIZE(f); i++) {
			memset(f[i].src, ~0, BOTH);
			unmap_and_close(&f[i]);
		}
	}
	return 0;
}

/* Eight files are open before the first is mapped; each then gets bytes of its own. */
static int keeps_files_apart(void)
{
	struct file f[8];
	unsigned char *was = allocate(ARRAY_SIZE(f) * BOTH);
	int fd[ARRAY_SIZE(f)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(f); i++)
		fd[i] = open_or_die();
	for (i = 0; i < ARRAY_SIZE(f); i++)
		f[i] = map_file(fd[i]);
	scramble(was, ARRAY_SIZE(f) * BOTH);
	for (i = 0; i < ARRAY_SIZE(f); i++)
		memcpy(f[i].src, was + i * BOTH, BOTH);
	for (i = 0; i < ARRAY_SIZE(f); i++)
		if (difference(f[i].src, was + i * BOTH, BOTH) < BOTH)
			return hint("Of %zu open files, one shows what was stored in another.\n"
				    "Has each memory of its own, from open() on, in private_data?",
				    ARRAY_SIZE(f));
	for (i = 0; i < ARRAY_SIZE(f); i++)
		unmap_and_close(&f[i]);
	free(was);
	return 0;
}

/* Two at once: whose memory is whose, mmap() has to show first. */
static int opens(void)
{
	int first = open_or_die(), second = open_or_die();

	close_or_die(first);
	close_or_die(second);
	return 0;
}

/* ---- mappings ------------------------------------------------------------ */

/* A mapping of len bytes at offset has to be that part of the memory. */
static int check_part(const struct file *f, size_t offset, size_t len)
{
	unsigned char *part = map_or_die(f->fd, len, offset);
	int bad = 0;

	scramble(f->src, BOTH);
	if (difference(part, f->src + offset, len) < len)
		bad = hint("%zu bytes at offset %zu, mapped alone, show other memory than the\n"
			   "mapping of all. Does dma_mmap_coherent() get the vma with its vm_pgoff,\n"
			   "and the start and the size of all of the memory?", len, offset);
	scramble(part, len);
	if (!bad && difference(part, f->src + offset, len) < len)
		bad = hint("What is stored through a mapping of %zu bytes at offset %zu does not\n"
			   "come to the memory.", len, offset);
	unmap_or_die(part, len);
	return bad;
}

static int shows_source_and_destination(void)
{
	struct file f = open_and_map();
	size_t offset;
	int bad;

	bad = check_part(&f, 0, SIZE) || check_part(&f, SIZE, SIZE) || check_part(&f, 0, BOTH) ||
	      check_part(&f, SIZE - page, 2 * page);
	for (offset = 0; offset < BOTH && !bad; offset += page)
		bad = check_part(&f, offset, page);
	unmap_and_close(&f);
	return bad;
}

struct bad_mapping {
	const char *what;
	size_t len;
	off_t offset;
	int prot;
	int flags;
	int error;
	const char *look;
};

static int refuses_mapping(int fd, const struct bad_mapping *bad)
{
	void *mapping = mmap(NULL, bad->len, bad->prot, bad->flags, fd, bad->offset);
	int error = mapping == MAP_FAILED ? errno : 0;

	/* An offset that a 32-bit kernel cannot count it refuses by itself. */
	if (error == bad->error || (error == EOVERFLOW && bad->offset >> 32))
		return 0;
	return hint("mmap() of %s: %s, not %s. See %s.", bad->what, name_of(error),
		    name_of(bad->error), bad->look);
}

static int refuses_bad_mappings(void)
{
	static const char range[] = "vma->vm_pgoff and vma_pages()";
	static const char private[] = "VM_MAYSHARE in vma->vm_flags";
	const off_t last = BOTH - page;
	const struct bad_mapping bad[] = {
		{ "more than there is", BOTH + page, 0, RDWR, MAP_SHARED, ENXIO, range },
		{ "a page behind the end", page, BOTH, RDWR, MAP_SHARED, ENXIO, range },
		{ "the last page and one more", 2 * page, last, RDWR, MAP_SHARED, ENXIO, range },
		{ "both, a page too far", BOTH, page, RDWR, MAP_SHARED, ENXIO, range },
		{ "a page at 4 GiB", page, 1LL << 32, RDWR, MAP_SHARED, ENXIO, range },
		{ "a page from amid one", page, page / 2, RDWR, MAP_SHARED, EINVAL, range },
		{ "a private copy", SIZE, 0, RDWR, MAP_PRIVATE, EINVAL, private },
		{ "a private copy, to read", SIZE, 0, PROT_READ, MAP_PRIVATE, EINVAL, private },
		{ "executable memory", SIZE, 0, PROT_READ | PROT_EXEC, MAP_SHARED, EPERM,
		  "VM_EXEC in vma->vm_flags" },
	};
	int fd = open_or_die();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (refuses_mapping(fd, &bad[i]))
			return EXIT_FAILURE;
	close_or_die(fd);
	return 0;
}

/* A mapping that was allowed must not become one that was not. */
static int refuses_changes(void)
{
	int fd = open_or_die();
	unsigned char *part = map_or_die(fd, page, 0);
	unsigned char *end = map_or_die(fd, page, BOTH - page);

	if (!mprotect(part, page, PROT_READ | PROT_EXEC) || errno != EACCES)
		return hint("mprotect() did not refuse with EACCES to make a mapping executable:\n"
			    "see VM_MAYEXEC, or mprotect in struct vm_operations_struct.");
	if (mprotect(part, page, PROT_READ) || mprotect(part, page, RDWR))
		die("mprotect() of a mapping to read-only, and back");
	if (mremap(end, page, 2 * page, MREMAP_MAYMOVE) != MAP_FAILED)
		return hint("mremap() made a mapping grow beyond the memory: see VM_DONTEXPAND.");
	unmap_or_die(part, page);
	unmap_or_die(end, page);
	close_or_die(fd);
	return 0;
}

/* ---- requests ------------------------------------------------------------ */

struct bad_request {
	const char *what;
	unsigned long command;
	const void *arg;
	int error;
};

struct request {
	int fd;
	const struct bad_request *bad;
	int error;
};

static void *make_request(void *arg)
{
	struct request *r = arg;

	r->error = call(r->fd, r->bad->command, r->bad->arg);
	return NULL;
}

/*
 * A driver that crashes takes the thread along that has called it, and no more: the
 * process is left to say by what.
 */
static int refuses_request(int fd, const struct bad_request *bad)
{
	struct request r = { fd, bad, CRASHED };
	pthread_t thread;
	int error;

	error = pthread_create(&thread, NULL, make_request, &r);
	if (!error)
		error = pthread_join(thread, NULL);
	if (error)
		exit(hint("A thread: %s.", name_of(error)));
	if (r.error == bad->error)
		return 0;
	return hint("ioctl() with %s: %s, not %s.", bad->what, name_of(r.error),
		    name_of(bad->error));
}

/* The last bytes before a page that nobody may touch. */
static unsigned char *end_of_memory(void)
{
	unsigned char *end = mmap(NULL, 2 * page, RDWR, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (end == MAP_FAILED || mprotect(end + page, page, PROT_NONE))
		die("mmap()");
	return end + page;
}

static int refuses_bad_requests(void)
{
	const struct dma_mmap_copy good = { .len = 64 }, zero = { .len = 0 },
		longer = { .len = SIZE + 1 }, longest = { .len = UINT32_MAX },
		flag = { .len = 64, .flags = 1 }, top = { .len = 64, .flags = 1u << 31 };
	const unsigned char *end = end_of_memory();
	const struct bad_request bad[] = {
		{ "length 0", DMA_MMAP_COPY, &zero, EINVAL },
		{ "a byte too many", DMA_MMAP_COPY, &longer, EINVAL },
		{ "4 GiB less one", DMA_MMAP_COPY, &longest, EINVAL },
		{ "an unknown flag", DMA_MMAP_COPY, &flag, EINVAL },
		{ "another unknown flag", DMA_MMAP_COPY, &top, EINVAL },
		{ "no address", DMA_MMAP_COPY, NULL, EFAULT },
		{ "an address without memory", DMA_MMAP_COPY, end, EFAULT },
		{ "half a structure", DMA_MMAP_COPY, end - sizeof(good) / 2, EFAULT },
		{ "command 0", 0, &good, ENOTTY },
		{ "lab 3's number", _IOW(0xD9, 2, struct dma_mmap_copy), &good, ENOTTY },
		{ "another size", _IOW(0xD9, 1, __u32), &good, ENOTTY },
		{ "another direction", _IOWR(0xD9, 1, struct dma_mmap_copy), &good, ENOTTY },
		{ "another type", _IOW(0xDA, 1, struct dma_mmap_copy), &good, ENOTTY },
	};
	struct file f = open_and_map();
	size_t i;

	memset(f.src, ~0, SIZE);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (refuses_request(f.fd, &bad[i]))
			return EXIT_FAILURE;
		if (not_zero(f.dst, SIZE) < SIZE)
			return hint("ioctl() with %s was refused, and copied all the same.",
				    bad[i].what);
	}
	unmap_and_close(&f);
	return 0;
}

/* ---- at once ------------------------------------------------------------- */

/* A new file now and then, so that open() and close() meet copies of others. */
static void *copy_on_own_files(void *unused)
{
	struct file f;
	int i, j, bad = 0;

	for (i = 0; i < 4 && !bad; i++) {
		f = open_and_map();
		for (j = 0; j < 4 && !bad; j++)
			bad = check_copy(&f, random_word() % SIZE + 1);
		unmap_and_close(&f);
	}
	return bad ? f.src : unused;
}

/* All copy the same bytes to the same place: whoever is done must find them there. */
static void *copy_on_one_file(void *arg)
{
	struct file *f = arg;
	int i, error;

	for (i = 0; i < 16; i++) {
		error = ask(f->fd, SIZE);
		if (error || difference(f->src, f->dst, SIZE) < SIZE) {
			hint("Threads that share a file copied at once: %s.",
			     error ? name_of(error) : "the destination is not the source");
			return f;
		}
	}
	return NULL;
}

static int run_threads(void *(*function)(void *), void *arg)
{
	pthread_t thread[3];
	void *result;
	int error, bad = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		error = pthread_create(&thread[i], NULL, function, arg);
		if (error)
			exit(hint("pthread_create(): %s.", name_of(error)));
	}
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		error = pthread_join(thread[i], &result);
		if (error)
			exit(hint("pthread_join(): %s.", name_of(error)));
		bad |= !!result;
	}
	return bad;
}

/* A process ended well when it returned 0. */
static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid()");
	if (WIFSIGNALED(status))
		return hint("A process was ended by signal %d.", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Seconds for what takes milliseconds: a debug kernel may be ten times as slow. */
static int patience(void)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) ? 20 : 80;
}

static pid_t fork_or_die(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork()");
	if (!pid)
		alarm(patience());
	return pid;
}

/* The children have nothing of ours: what becomes of that is for others to say. */
static int copies_at_once(void)
{
	struct file f;
	pid_t pid[3];
	int bad = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork_or_die();
		if (!pid[i])
			exit(run_threads(copy_on_own_files, NULL));
	}
	f = open_and_map();
	scramble(f.src, SIZE);
	bad |= run_threads(copy_on_one_file, &f);
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		bad |= wait_for(pid[i]);
	unmap_and_close(&f);
	return bad;
}

/* ---- how long memory lives ----------------------------------------------- */

/*
 * What was freed is soon allocated again: others take what they can get, and write
 * to it. If a page of ours was freed under our mapping, it has their bytes now.
 */
static void stir_memory(void)
{
	enum { FILES = 64, PAGES = 16 << 20 };
	static struct file f[FILES];
	unsigned char *pages = allocate(PAGES);
	size_t i;

	memset(pages, 0xa5, PAGES);
	for (i = 0; i < FILES; i++) {
		f[i] = open_and_map();
		memset(f[i].src, 0xa5, BOTH);
	}
	for (i = 0; i < FILES; i++)
		unmap_and_close(&f[i]);
	free(pages);
}

/* Fills memory with new bytes, the same in source and destination, and keeps a copy. */
static unsigned char *fill(const struct file *f)
{
	unsigned char *was = allocate(BOTH);

	scramble(was, SIZE);
	memcpy(was + SIZE, was, SIZE);
	memcpy(f->src, was, BOTH);
	return was;
}

/* From byte first on: they are there as long as nobody else gets the memory. */
static int still_there(const struct file *f, const unsigned char *was, size_t first, size_t len)
{
	stir_memory();
	return difference(f->src + first, was + first, len) == len;
}

/*
 * Memory that was freed too early is freed again when its last user ends, and that
 * can ruin the kernel: who finds such a thing stays, for ever.
 */
static void tell_and_end(int told, int verdict)
{
	fflush(stdout);
	if (write(told, &verdict, sizeof(verdict)) != sizeof(verdict) || !verdict)
		_exit(verdict);
	alarm(0);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (1)
		pause();
}

static int hear(const int told[2])
{
	int verdict;

	close_or_die(told[1]);
	if (read(told[0], &verdict, sizeof(verdict)) != sizeof(verdict))
		return hint("A process that used the memory came to an end before its time.");
	return verdict;
}

static int in_a_child(int (*test)(void))
{
	int told[2], verdict;
	pid_t pid;

	if (pipe(told))
		die("pipe()");
	pid = fork_or_die();
	if (!pid)
		tell_and_end(told[1], test());
	verdict = hear(told);
	return verdict ? verdict : wait_for(pid);
}

/* Whether the copy itself works is for others to say. */
static int outlives_ioctl(void)
{
	struct file f = open_and_map();
	unsigned char *was = fill(&f);

	ask(f.fd, SIZE);
	if (!still_there(&f, was, 0, BOTH))
		return hint("After DMA_MMAP_COPY the mapping shows other bytes: its memory was\n"
			    "freed. It is the file's, not the copy's, until release().");
	return 0;
}

/* Nobody but the mapping holds the memory, and of that only the middle is left. */
static int outlives_close(void)
{
	struct file f = open_and_map();
	unsigned char *was = fill(&f);

	close_or_die(f.fd);
	unmap_or_die(f.src, page);
	unmap_or_die(f.src + BOTH - page, page);
	if (!still_there(&f, was, page, BOTH - 2 * page))
		return hint("The file was closed, a mapping was not, and it shows other bytes:\n"
			    "its memory was freed. That is for release(), when no user is left.");
	return 0;
}

static int outlives_first_descriptor(void)
{
	struct file f = open_and_map();
	unsigned char *was = fill(&f);
	int other = dup(f.fd);

	if (other < 0)
		die("dup()");
	close_or_die(f.fd);
	f.fd = other;
	if (!still_there(&f, was, 0, BOTH) || check_copy(&f, SIZE))
		return hint("A file had two descriptors, by dup(). One was closed, and the other\n"
			    "is of no use any more. Clearing up is for release(), not for flush().");
	return 0;
}

/* The parent is gone when nobody is left who could write to the pipe. */
static int use_inherited(const struct file *f, const unsigned char *was, const int gone[2])
{
	char byte;

	close_or_die(gone[1]);
	if (read(gone[0], &byte, 1) != 0)
		die("read() from a pipe");
	if (!still_there(f, was, 0, BOTH) || check_copy(f, SIZE))
		return hint("A process opened, mapped, forked and ended. Its child has it all,\n"
			    "and it is of no use. To clear up is for release(), not flush().");
	return 0;
}

static int outlives_parent(void)
{
	int gone[2], told[2];
	unsigned char *was;
	struct file f;
	pid_t pid;

	if (pipe(gone) || pipe(told))
		die("pipe()");
	pid = fork_or_die();
	if (!pid) {
		f = open_and_map();
		was = fill(&f);
		if (fork_or_die())
			_exit(0);
		tell_and_end(told[1], use_inherited(&f, was, gone));
	}
	if (wait_for(pid))
		return EXIT_FAILURE;
	close_or_die(gone[1]);
	return hear(told);
}

static int lives_long_enough(void)
{
	return in_a_child(outlives_close) || in_a_child(outlives_first_descriptor) ||
	       outlives_parent();
}

static int survives_a_copy(void)
{
	return in_a_child(outlives_ioctl);
}

/* ---- jobs ---------------------------------------------------------------- */

static int count_of(const char *word)
{
	char *end;
	long value = strtol(word, &end, 10);

	if (end == word || *end || value < 0 || value > INT32_MAX)
		exit(hint("\"%s\" is no number.", word));
	return value;
}

static void on_signal(int signal)
{
	(void)signal;
}

/* After a copy of len: "ok", or what is wrong. */
static const char *what_came(const struct file *f, const unsigned char *was, size_t len)
{
	if (difference(f->dst, was, len) == len)
		return "ok";
	if (difference(f->src, was, len) == len)
		return "success, but the destination is not the source";
	return "backwards: success, but the source has changed, not the destination";
}

/*
 * copy LENGTH TIMES: the same copy TIMES times, and at the end "ok", or what went
 * wrong with the last. A signal that does not kill must not end a copy: SIGUSR1 comes.
 */
static int copy(char **args)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct file f = open_and_map();
	unsigned char *was = allocate(SIZE);
	size_t len = count_of(args[0]);
	int i, times = count_of(args[1]), error = 0;

	if (sigaction(SIGUSR1, &action, NULL))
		die("sigaction()");
	scramble(was, SIZE);
	memcpy(f.src, was, SIZE);
	for (i = 0; i < times; i++)
		error = ask(f.fd, len);
	puts(error ? name_of(error) : what_came(&f, was, len));
	unmap_and_close(&f);
	free(was);
	return 0;
}

/* touch: opens, maps, and ends without a word of good-bye. */
static int touch(char **args)
{
	struct file f = open_and_map();

	(void)args;
	scramble(f.src, BOTH);
	return 0;
}

/* killed: the same, by SIGKILL. */
static int killed(char **args)
{
	touch(args);
	kill(getpid(), SIGKILL);
	return EXIT_FAILURE;
}

/* reopen TIMES: nothing of it may stay behind. Each has the time that others have. */
static int reopen(char **args)
{
	int times = count_of(args[0]);
	struct file f;

	while (times--) {
		alarm(20);
		f = open_and_map();
		f.src[0] = 1;
		unmap_and_close(&f);
	}
	return 0;
}

/*
 * hold mapping | hold file | hold copied: keeps the mapping only, or the open file,
 * too, or that after a copy, until SIGUSR1 comes; then uses what it has, and says how
 * a copy ended.
 */
static int hold(char **args)
{
	struct file f = open_and_map();
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		die("sigprocmask()");
	if (!strcmp(args[0], "mapping")) {
		close_or_die(f.fd);
		f.fd = -1;
	}
	if (!strcmp(args[0], "copied"))
		ask(f.fd, SIZE);
	puts("ready");
	fflush(stdout);
	if (sigwait(&set, &signal))
		die("sigwait()");
	scramble(f.src, SIZE);
	if (f.fd >= 0)
		printf("copy: %s\n", name_of(ask(f.fd, SIZE)));
	return 0;
}

/* ---- by name ------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*function)(void);
} tests[] = {
	{ "opens", opens },
	{ "starts_zeroed", starts_zeroed },
	{ "keeps_files_apart", keeps_files_apart },
	{ "shows_source_and_destination", shows_source_and_destination },
	{ "refuses_bad_mappings", refuses_bad_mappings },
	{ "refuses_changes", refuses_changes },
	{ "refuses_bad_requests", refuses_bad_requests },
	{ "survives_a_copy", survives_a_copy },
	{ "copies_every_length", copies_every_length },
	{ "copies_at_once", copies_at_once },
	{ "lives_long_enough", lives_long_enough },
};

static const struct {
	const char *name;
	int (*function)(char **args);
	int args;
} jobs[] = {
	{ "copy", copy, 2 },
	{ "touch", touch, 0 },
	{ "killed", killed, 0 },
	{ "reopen", reopen, 1 },
	{ "hold", hold, 1 },
};

static int explain_usage(void)
{
	size_t i;

	fprintf(stderr, "usage: dma_mmap_test TEST\n"
		"       dma_mmap_test copy LENGTH TIMES | touch | killed | reopen TIMES | hold mapping|file|copied\n"
		"TEST is one of:\n");
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		fprintf(stderr, "  %s\n", tests[i].name);
	return 2;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		return explain_usage();
	page = sysconf(_SC_PAGESIZE);
	alarm(20);
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		if (!strcmp(argv[1], tests[i].name) && argc == 2)
			return tests[i].function();
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		if (!strcmp(argv[1], jobs[i].name) && argc == 2 + jobs[i].args)
			return jobs[i].function(argv + 2);
	return explain_usage();
}
