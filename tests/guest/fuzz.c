// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing one of the labs' devices: calls with arguments that are right, nearly right,
 * and wild, by a user without rights
 *
 * usage: fuzz DEVICE OPERATIONS SEED
 *
 * All that there is to point at is in an arena of pages, of which a model is kept: what
 * is there, and who may do what with it. So it is known of each call what it has to
 * return, and which bytes it has to move, and the first that does otherwise is told.
 * Everything follows from the seed: the same one does the same again.
 *
 * Exit status: 0 nothing found, 1 something, 3 the fuzzer itself is in trouble.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dma_mmap.h"
#include "dma_sg.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define PAGES		1024UL		/* in the arena: two windows of lab 3 */
#define ARENA		((uintptr_t)0x100000000)	/* beyond where a heap may be */
#define FILE_PAGES	256UL		/* what is mapped behind them is not there */
#define BOTH		(2UL * DMA_MMAP_SIZE)
#define M2M_SIZE	65536UL
#define FILES		8		/* open files */
#define FDS		16		/* their descriptors */
#define MARGIN		64UL		/* bytes beside a destination that are watched */
#define PATIENCE	60		/* seconds for one operation */
#define NOBODY		65534
#define TROUBLE		3

enum device { M2M, MMAP, SG };

static const char * const paths[] = { "/dev/dma_m2m_misc_dev", "/dev/dma_mmap", "/dev/dma_sg" };

enum kind { HOLE, ANON, BACKED, MAPPED };

/**
 * struct place - a page of the arena
 * @kind: what is there: nothing, memory, a page of the file, of an open /dev/dma_mmap
 * @prot: as mmap() and mprotect() have it
 * @owner: which open file, if MAPPED
 * @at: which page of it, or of the file
 */
struct place {
	enum kind kind;
	int prot;
	int owner;
	size_t at;
};

/**
 * struct opened - an open file of the device
 * @mode: as open() has it
 * @held: by processes other than this one
 * @pos: lab 1: where read() goes on
 * @bytes: lab 2: what has to be in source and destination
 */
struct opened {
	int mode;
	int held;
	loff_t pos;
	unsigned char bytes[BOTH];
};

enum { OPEN, MAP, PROTECT, READ, WRITE, IOCTL, CALLS };

static const char * const calls[CALLS] = { "open", "mmap", "mprotect", "read", "write", "ioctl" };

/* What processes have in common: they do one operation at a time, all of them. */
static struct shared {
	unsigned long done;		/* operations */
	__u64 digest;		/* of what they returned */
	const char *what;		/* the one that is under way, and its arguments */
	unsigned long args[6];
	unsigned long seen[CALLS][134];	/* how often a call gave an errno */
	unsigned long forks;
	size_t len;			/* lab 1: what has to be in the device */
	unsigned char bytes[M2M_SIZE];
	struct opened files[FILES];
} *shared;

static enum device device;
static struct place arena[PAGES];
static struct { int fd, file; } fds[FDS];
static int backing, lender = -1, forked;
static __u64 state, limit;
static bool tags, cramped;
static unsigned char was[PAGES * PAGE + 2 * MARGIN], source[PAGES * PAGE], gotten[M2M_SIZE + 1];
static struct dma_sg_copy asked;

/* ---- words ----------------------------------------------------------------- */

static void die(const char *what)
{
	printf("The fuzzer is in trouble: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(TROUBLE);
}

static const char *name_of(int error)
{
	return error ? strerrorname_np(error) ?: "an errno without a name" : "success";
}

static void tell_operation(void)
{
	printf("It was operation %lu: %s(", shared->done, shared->what);
	for (size_t i = 0; i < ARRAY_SIZE(shared->args); i++)
		printf("%s%#lx", i ? ", " : "", shared->args[i]);
	puts(")");
}

__attribute__((format(printf, 1, 2), noreturn))
static void found(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("FOUND: ");
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	tell_operation();
	fflush(stdout);
	_exit(1);
}

static void note(const char *what, unsigned long a, unsigned long b, unsigned long c,
		 unsigned long d, unsigned long e, unsigned long f)
{
	unsigned long args[] = { a, b, c, d, e, f };

	shared->what = what;
	memcpy(shared->args, args, sizeof(args));
}

static void doing(const char *what, unsigned long a, unsigned long b, unsigned long c,
		  unsigned long d, unsigned long e, unsigned long f)
{
	shared->done++;
	note(what, a, b, c, d, e, f);
}

/* result CALL RETURNED: its errno, which is counted. */
static int result(int call, long returned)
{
	int error = returned < 0 ? errno : 0;

	shared->seen[call][error]++;
	shared->digest = (shared->digest ^ (returned < 0 ? -error : returned)) * 0x100000001b3;
	return error;
}

static void expect(int call, int error, int want)
{
	if (error != want)
		found("%s gave %s, and not %s.", calls[call], name_of(error), name_of(want));
}

/* ---- random numbers --------------------------------------------------------- */

static void seed(__u64 number)
{
	state = number * 0x9e3779b97f4a7c15 | 1;
}

/* Marsaglia's xorshift. */
static __u64 random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t below(size_t bound)
{
	return (random64() >> 16) % bound;
}

static bool one_in(size_t n)
{
	return !below(n);
}

static void fill(unsigned char *at, size_t len)
{
	while (len--)
		*at++ = random64() >> 32;
}

/* ---- the model ---------------------------------------------------------------- */

static unsigned char *page_at(size_t n)
{
	return (unsigned char *)(ARENA + n * PAGE);
}

/* As arm64 does it. */
static __u64 untagged(__u64 address)
{
	return address >> 55 & 1 ? address : address & ~(0xffULL << 56);
}

static bool in_user_space(__u64 address, __u64 len)
{
	if (tags)
		address = untagged(address);
	return len <= limit && address <= limit - len;
}

/* For the engine: what can be pinned. */
static bool may(const struct place *p, int prot, bool pin)
{
	if (p->kind == HOLE || (p->kind == BACKED && p->at >= FILE_PAGES))
		return false;
	return !(pin && p->kind == MAPPED) && (p->prot & prot) == prot;
}

/* how_far ADDRESS LEN PROT PIN: the bytes from there on with which that may be done. */
static size_t how_far(__u64 address, size_t len, int prot, bool pin)
{
	__u64 from = tags ? untagged(address) : address;
	__u64 at = from;

	if (address >= (uintptr_t)&asked && address < (uintptr_t)(&asked + 1))
		return len;
	while (at - from < len && at >= ARENA && at < ARENA + PAGES * PAGE &&
	       may(&arena[(at - ARENA) / PAGE], prot, pin))
		at = (at | (PAGE - 1)) + 1;
	return at - from < len ? at - from : len;
}

static bool all(__u64 address, size_t len, int prot, bool pin)
{
	return how_far(address, len, prot, pin) == len;
}

static void set(size_t first, size_t count, struct place p)
{
	for (size_t i = first; i < first + count; i++) {
		arena[i] = p;
		p.at++;
	}
}

static void unmap(size_t first, size_t count)
{
	if (count && munmap(page_at(first), count * PAGE))
		die("munmap");
	set(first, count, (struct place){ .kind = HOLE });
}

static unsigned char *should_be(const struct place *p)
{
	return shared->files[p->owner].bytes + p->at * PAGE;
}

/* The program, or a read(), has written there: to a device's buffer, perhaps. */
static void written(__u64 address, size_t len)
{
	__u64 from = untagged(address);

	if (!len || from < ARENA || from >= ARENA + PAGES * PAGE)
		return;
	for (size_t i = (from - ARENA) / PAGE; i <= (from + len - 1 - ARENA) / PAGE; i++)
		if (arena[i].kind == MAPPED)
			memcpy(should_be(&arena[i]), page_at(i), PAGE);
}

static void check_page(size_t n)
{
	if (arena[n].kind == MAPPED && may(&arena[n], PROT_READ, false) &&
	    memcmp(page_at(n), should_be(&arena[n]), PAGE))
		found("Page %zu of the device, mapped at %p, has other bytes than were put there.",
		      arena[n].at, (void *)page_at(n));
}

static void check_mapped(void)
{
	for (size_t i = 0; i < PAGES; i++)
		check_page(i);
}

/* ---- arguments ------------------------------------------------------------------ */

static size_t some_length(size_t usual)
{
	static const size_t edges[] = {
		0, 1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 65532, 65535,
		65536, 65537, 131072, 2097151, 2097152, 2097153
	};
	static const size_t wild[] = {
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000001, SIZE_MAX, SIZE_MAX - 4095,
		SIZE_MAX / 2, SIZE_MAX / 2 + 1, 1UL << 47, 1UL << 48, PAGES * PAGE
	};

	switch (below(16)) {
	case 0:
		return wild[below(ARRAY_SIZE(wild))];
	case 1 ... 4:
		return edges[below(ARRAY_SIZE(edges))];
	case 5 ... 10:
		return 1 + below(256);
	}
	return 1 + below(usual);
}

static __u64 some_address(void)
{
	static const __u64 wild[] = {
		0, 64, PAGE - 1, ARENA - 1, ARENA + PAGES * PAGE, ARENA + PAGES * PAGE - 1,
		1ULL << 38, 1ULL << 39, (1ULL << 39) - 1, (1ULL << 48) - 1, 1ULL << 48,
		(1ULL << 48) - PAGE, 1ULL << 55, 0xffff000000000000, 0xffff800008000000,
		0xfffffffffffff000, ~0ULL, ~7ULL
	};
	__u64 address = ARENA + below(PAGES) * PAGE;

	switch (below(16)) {
	case 0:
		return wild[below(ARRAY_SIZE(wild))];
	case 1:
		return address | below(256) << 56;
	case 2 ... 4:
		return address - below(130);
	case 5 ... 9:
		return address;
	case 10 ... 12:
		return address + below(PAGE / 64) * 64;
	}
	return address + below(PAGE);
}

/* Where LEN bytes may be used so, if such a place is found soon. */
static __u64 good_address(size_t len, int prot, bool pin)
{
	__u64 address = some_address();

	if (len > PAGES * PAGE)
		return address;
	for (int i = 0; i < 8 && !all(address, len, prot, pin); i++)
		address = some_address();
	return address;
}

static int some_prot(void)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ, PROT_READ | PROT_EXEC, PROT_NONE
	};

	return prots[below(ARRAY_SIZE(prots))];
}

/* A range of pages: *first and how many. */
static size_t some_pages(size_t *first)
{
	size_t most = one_in(16) ? PAGES : 16;

	*first = below(PAGES);
	return 1 + below(PAGES - *first < most ? PAGES - *first : most);
}

/* place_request SIZE: where the kernel gets @asked from: mostly it is there. */
static __u64 place_request(size_t size)
{
	__u64 address = one_in(4) ? some_address() : good_address(size, PROT_READ, false);

	if (one_in(3))
		return (uintptr_t)&asked;
	if (all(address, size, PROT_READ | PROT_WRITE, false)) {
		memcpy((void *)(uintptr_t)untagged(address), &asked, size);
		written(address, size);
	}
	return address;
}

/* The request as the kernel gets it, or false. */
static bool request_at(__u64 address, void *to, size_t size)
{
	if (!in_user_space(address, size) || !all(address, size, PROT_READ, false))
		return false;
	memcpy(to, (void *)(uintptr_t)(tags ? untagged(address) : address), size);
	return true;
}

/* ---- open files ------------------------------------------------------------------ */

static bool in_use(int file)
{
	if (shared->files[file].held)
		return true;
	for (size_t i = 0; i < FDS; i++)
		if (fds[i].fd >= 0 && fds[i].file == file)
			return true;
	for (size_t i = 0; i < PAGES; i++)
		if (arena[i].kind == MAPPED && arena[i].owner == file)
			return true;
	return false;
}

static int free_file(void)
{
	for (int file = 0; file < FILES; file++)
		if (!in_use(file))
			return file;
	return -1;
}

static int free_slot(void)
{
	for (int i = 0; i < FDS; i++)
		if (fds[i].fd < 0)
			return i;
	return -1;
}

static int mode_of(int slot)
{
	return shared->files[fds[slot].file].mode;
}

static void do_open(void)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	static const int more[] = { 0, 0, 0, O_NONBLOCK, O_APPEND, O_TRUNC, O_CREAT, O_SYNC };
	int slot = free_slot(), file = free_file();
	int mode = modes[below(ARRAY_SIZE(modes))];
	int flags = mode | more[below(ARRAY_SIZE(more))];

	if (slot < 0 || file < 0)
		return;
	doing("open", flags, 0, 0, 0, 0, 0);
	fds[slot].fd = open(paths[device], flags | O_CLOEXEC, 0600);
	expect(OPEN, result(OPEN, fds[slot].fd), 0);
	fds[slot].file = file;
	memset(&shared->files[file], 0, sizeof(shared->files[file]));
	shared->files[file].mode = mode;
}

/* A descriptor that is open: one is, always. */
static int some_slot(void)
{
	int slot = below(FDS);

	while (fds[slot].fd < 0)
		slot = (slot + 1) % FDS;
	return slot;
}

static bool is_another(int than)
{
	for (int i = 0; i < FDS; i++)
		if (i != than && fds[i].fd >= 0)
			return true;
	return false;
}

static void do_close(void)
{
	int slot = some_slot();

	if (!is_another(slot))
		return;
	doing("close", fds[slot].fd, 0, 0, 0, 0, 0);
	if (close(fds[slot].fd))
		found("close() gave %s.", name_of(errno));
	fds[slot].fd = -1;
}

static void do_dup(void)
{
	int from = some_slot(), to = free_slot();

	if (to < 0)
		return;
	doing("dup", fds[from].fd, 0, 0, 0, 0, 0);
	fds[to].fd = dup(fds[from].fd);
	fds[to].file = fds[from].file;
	if (fds[to].fd < 0)
		die("dup");
}

/* What no driver of the labs has anything to do with. */
static void do_other(void)
{
	int slot = some_slot(), fd = fds[slot].fd;
	loff_t to = one_in(2) ? below(70000) : random64();
	int whence = below(5);

	doing("lseek and others", fd, to, whence, 0, 0, 0);
	to = lseek(fd, to, whence);
	if (to >= 0)
		shared->files[fds[slot].file].pos = to;
	if (!ftruncate(fd, below(70000)))
		found("ftruncate() of a device gave success.");
	fsync(fd);
	fcntl(fd, F_SETFL, below(2) * O_NONBLOCK | below(2) * O_APPEND);
	posix_fadvise(fd, below(70000), below(70000), below(6));
}

/* ---- the arena -------------------------------------------------------------------- */

static void do_memory(void)
{
	size_t first, count = some_pages(&first);
	struct place p = { .kind = ANON, .prot = some_prot(), .at = 0 };
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	if (one_in(3)) {
		p.kind = BACKED;
		p.at = below(FILE_PAGES + 8);
		flags = one_in(3) ? MAP_PRIVATE : MAP_SHARED;
	}
	if (one_in(8))
		flags |= MAP_POPULATE;
	doing("mmap of memory", first, count, p.prot, flags, p.at, 0);
	if (mmap(page_at(first), count * PAGE, p.prot, flags | MAP_FIXED, backing,
		 p.at * PAGE) == MAP_FAILED)
		die("mmap");
	set(first, count, p);
}

/* Half of all is made usable again. */
static void do_renew(void)
{
	size_t first = below(2) * (PAGES / 2);

	doing("mmap of half the arena", first, 0, 0, 0, 0, 0);
	if (mmap(page_at(first), PAGES / 2 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap");
	if (one_in(2))
		madvise(page_at(first), PAGES / 2 * PAGE, MADV_HUGEPAGE);
	set(first, PAGES / 2, (struct place){ .kind = ANON, .prot = PROT_READ | PROT_WRITE });
}

static void do_store(void)
{
	size_t len = 1 + below(200);
	__u64 at = untagged(good_address(len, PROT_READ | PROT_WRITE, false));

	doing("store", at, len, 0, 0, 0, 0);
	if (!all(at, len, PROT_READ | PROT_WRITE, false))
		return;
	fill((void *)(uintptr_t)at, len);
	written(at, len);
}

static void do_munmap(void)
{
	size_t first, count = some_pages(&first);

	doing("munmap", first, count, 0, 0, 0, 0);
	unmap(first, count);
}

static bool is_among(int error, const int *errors)
{
	while (*errors && *errors != error)
		errors++;
	return error && *errors;
}

/* Each errno that there is a reason for, then 0. */
static void may_not_map(int *errors, int mode, int prot, int flags, size_t offset, size_t len)
{
	if (offset % PAGE || flags & MAP_PRIVATE)
		*errors++ = EINVAL;
	if (mode == O_WRONLY || (mode == O_RDONLY && prot & PROT_WRITE && flags & MAP_SHARED))
		*errors++ = EACCES;
	if (prot & PROT_EXEC)
		*errors++ = EPERM;
	if (offset > BOTH || len > BOTH - offset)
		*errors++ = ENXIO;
	*errors = 0;
}

static size_t some_offset(void)
{
	switch (below(8)) {
	case 0:
		return below(BOTH);
	case 1:
		return one_in(2) ? 1UL << 40 : BOTH;
	}
	return below(BOTH / PAGE) * PAGE;
}

/* A mapping that fails may leave what was there, or nothing: make it nothing. */
static void do_map(void)
{
	size_t first, count = some_pages(&first), offset = some_offset();
	int slot = some_slot(), prot = some_prot(), errors[5], error;
	int flags = one_in(10) ? MAP_PRIVATE : MAP_SHARED;
	struct place p = { .kind = MAPPED };

	doing("mmap", fds[slot].fd, first, count, prot, flags, offset);
	may_not_map(errors, mode_of(slot), prot, flags, offset, count * PAGE);
	error = result(MAP, mmap(page_at(first), count * PAGE, prot, flags | MAP_FIXED,
				 fds[slot].fd, offset) == MAP_FAILED ? -1 : 0);
	if (device != MMAP && !error)
		found("Device memory was mapped, and there is none.");
	if (device == MMAP && (errors[0] ? !is_among(error, errors) : error))
		found("mmap gave %s, and not %s.", name_of(error), name_of(errors[0]));
	if (error) {
		unmap(first, count);
		return;
	}
	p.prot = prot;
	p.owner = fds[slot].file;
	p.at = offset / PAGE;
	set(first, count, p);
	for (size_t i = first; i < first + count; i++)
		check_page(i);
}

/* For lab 3: memory of another device, which cannot be pinned. */
static void do_lend(void)
{
	struct place p = { .kind = MAPPED, .prot = PROT_READ | PROT_WRITE, .owner = FILES - 1 };
	size_t first = below(PAGES - 8);

	if (lender < 0)
		return;
	doing("mmap of /dev/dma_mmap", first, 0, 0, 0, 0, 0);
	if (mmap(page_at(first), 8 * PAGE, p.prot, MAP_SHARED | MAP_FIXED, lender, 0) == MAP_FAILED)
		die("mmap of /dev/dma_mmap");
	set(first, 8, p);
}

/* What mprotect() has to say of a page: 0, or a negative errno. */
static int may_not_protect(const struct place *p, int prot)
{
	if (p->kind == HOLE)
		return -ENOMEM;
	if (p->kind != MAPPED)
		return 0;
	if (prot & PROT_EXEC)
		return -EACCES;
	return prot & PROT_WRITE && shared->files[p->owner].mode == O_RDONLY ? -EACCES : 0;
}

/* It goes as far as it comes. */
static void do_mprotect(void)
{
	size_t first, count = some_pages(&first);
	int prot = some_prot(), want = 0, error;

	doing("mprotect", first, count, prot, 0, 0, 0);
	error = result(PROTECT, mprotect(page_at(first), count * PAGE, prot));
	for (size_t i = first; i < first + count && !want; i++) {
		want = may_not_protect(&arena[i], prot);
		if (!want)
			arena[i].prot = prot;
	}
	expect(PROTECT, error, -want);
}

static void moved(size_t from, size_t old, size_t to, size_t new)
{
	struct place p = arena[from];

	if (p.kind == MAPPED && new > old)
		found("mremap() made a mapping of the device larger.");
	set(to, new, p);
	set(from, old, (struct place){ .kind = HOLE });
}

/* A part of one mapping alone, to a place apart from it; all pages are then alike. */
static void do_mremap(void)
{
	size_t from, to, new = some_pages(&to), old = some_pages(&from);

	if (one_in(2) && to + old <= PAGES)
		new = old;
	if (one_in(8))
		old = 0;
	doing("mremap", from, old, to, new, 0, 0);
	if (mremap(page_at(from), old * PAGE, new * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   page_at(to)) != MAP_FAILED) {
		moved(from, old, to, new);
		return;
	}
	unmap(from, old);
	unmap(to, new);
}

/* None that a fork() would see, nor one that takes its time. */
static void do_madvise(void)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_REMOVE, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
		MADV_COLD, MADV_PAGEOUT, 22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */, 1234
	};
	size_t first, count = some_pages(&first);
	int advice = advices[below(ARRAY_SIZE(advices))];

	doing("madvise", first, count, advice, 0, 0, 0);
	madvise(page_at(first), count * PAGE, advice);
}

static void do_check(void)
{
	doing("check of all mappings", 0, 0, 0, 0, 0, 0);
	check_mapped();
}

/* ---- what a call has to leave as it is ------------------------------------------------ */

/* keep TO ADDRESS LEN: what is there, but for pages that the program cannot read. */
static void keep(unsigned char *to, __u64 address, size_t len)
{
	for (size_t n, i = 0; i < len; i += n) {
		n = PAGE - (address + i) % PAGE;
		n = n < len - i ? n : len - i;
		if (all(address + i, n, PROT_READ, false))
			memcpy(to + i, (void *)(uintptr_t)(address + i), n);
	}
}

/* Returns the first byte that is not as in @kept, or @len. */
static size_t differs(const unsigned char *kept, __u64 address, size_t len)
{
	for (size_t n, i = 0; i < len; i += n) {
		const unsigned char *at = (void *)(uintptr_t)(address + i);

		n = PAGE - (address + i) % PAGE;
		n = n < len - i ? n : len - i;
		if (all(address + i, n, PROT_READ, false) && memcmp(kept + i, at, n))
			for (size_t j = 0; j < n; j++)
				if (kept[i + j] != at[j])
					return i + j;
	}
	return len;
}

/* A destination with what is beside it, as far as it is in the arena. */
struct around {
	__u64 from;
	size_t before;		/* bytes of it that are before the destination */
	size_t len;
};

static struct around around(__u64 address, __u64 len)
{
	__u64 from = untagged(address), to = ARENA + PAGES * PAGE;
	struct around a = { .from = from };

	if (from < ARENA || from >= to)
		return a;
	a.before = from - ARENA < MARGIN ? from - ARENA : MARGIN;
	a.from = from - a.before;
	a.len = len < to - from && len + MARGIN < to - from ? len + MARGIN : to - from;
	a.len += a.before;
	return a;
}

/* What tells a page that can be at several places from others; -1: it cannot. */
static int identity(const struct place *p)
{
	if (p->kind == MAPPED)
		return FILE_PAGES + p->at;
	return p->kind == BACKED && p->at < FILE_PAGES ? (int)p->at : -1;
}

/* Such pages in a range are marked, if asked to; true if one is there already. */
static bool marks(__u64 address, size_t len, bool mark)
{
	static unsigned int marked[FILE_PAGES + BOTH / PAGE], run;
	__u64 from = untagged(address);

	run += mark;
	for (__u64 at = from & ~(PAGE - 1); at < from + len; at += PAGE) {
		int page;

		if (at < ARENA || at >= ARENA + PAGES * PAGE)
			return false;
		page = identity(&arena[(at - ARENA) / PAGE]);
		if (page >= 0 && marked[page] == run)
			return true;
		if (page >= 0 && mark)
			marked[page] = run;
	}
	return false;
}

/* ---- lab 1 --------------------------------------------------------------------------- */

static loff_t some_position(void)
{
	switch (below(8)) {
	case 0:
		return random64();
	case 1:
		return -(loff_t)below(100);
	case 2 ... 4:
		return below(70000);
	}
	return 0;
}

/* What is in the device, read by a descriptor that does nothing else. */
static void check_contents(void)
{
	static int reader = -1;
	ssize_t got;

	if (reader < 0)
		reader = open(paths[M2M], O_RDONLY | O_CLOEXEC);
	got = pread(reader, gotten, sizeof(gotten), 0);
	if (got < 0)
		found("What is in the device cannot be read: %s.", name_of(errno));
	if (got && got != (ssize_t)shared->len)
		found("In the device are %zd bytes, and not %zu.", got, shared->len);
	if (memcmp(gotten, shared->bytes, got))
		found("In the device are other bytes than were written.");
	shared->len = got;
}

/* pwrite() does not move the file, nor does the driver look at where it is. */
static void do_write(void)
{
	int slot = some_slot(), error, want = 0;
	bool here = one_in(2);
	loff_t pos = here ? 0 : some_position();
	size_t count = some_length(one_in(4) ? 2 * M2M_SIZE : 20000);
	size_t len = count < M2M_SIZE ? count : M2M_SIZE;
	__u64 from = good_address(len, PROT_READ, false);
	bool odd = pos < 0 || pos > INT64_MAX - 0x7ffff000 || (ssize_t)count < 0;
	bool reached = !odd && len && mode_of(slot) != O_RDONLY && in_user_space(from, count);
	ssize_t ret;

	if (mode_of(slot) == O_RDONLY)
		want = EBADF;
	else if (!reached || !all(from, len, PROT_READ, false))
		want = EFAULT;
	doing(here ? "write" : "pwrite", fds[slot].fd, from, count, pos, 0, 0);
	ret = here ? write(fds[slot].fd, (void *)(uintptr_t)from, count) :
		     pwrite(fds[slot].fd, (void *)(uintptr_t)from, count, pos);
	error = result(WRITE, ret);
	if (!odd && len)
		expect(WRITE, error, want);
	if (!error && ret != (ssize_t)len)
		found("write() of %zu bytes gave %zd.", count, ret);
	if (ret > 0) {
		memcpy(shared->bytes, (void *)(uintptr_t)untagged(from), len);
		if (here)
			shared->files[fds[slot].file].pos = 0;
		shared->len = len;
	}
	check_contents();
	if (reached && error && shared->len)
		found("A write() failed, and read() still gives the bytes of an earlier one.");
	if (ret > 0 && shared->len != len)
		found("%zu bytes were written, and are not there.", len);
}

/* How many bytes there are from @pos on, no more than @count. */
static size_t left_at(loff_t pos, size_t count)
{
	size_t left = pos < (loff_t)shared->len ? shared->len - pos : 0;

	return left < count ? left : count;
}

static void check_read(__u64 to, const struct around *a, loff_t pos, size_t got)
{
	bool tangled = marks(a->from, a->len, true);

	if (got)
		memcpy(was + a->before, shared->bytes + pos, got);
	if (!tangled && differs(was, a->from, a->before + got) < a->before + got)
		found("read() gave other bytes than were written, or changed those before them.");
	if (!tangled && got == left_at(pos, got + 1) && differs(was, a->from, a->len) < a->len)
		found("read() of %zu bytes changed those behind them.", got);
	written(to, got);
}

static void do_read(void)
{
	int slot = some_slot(), error;
	bool here = one_in(2);
	struct opened *file = &shared->files[fds[slot].file];
	loff_t pos = here ? file->pos : some_position();
	size_t count = some_length(one_in(4) ? 2 * M2M_SIZE : 20000);
	size_t len = pos < 0 ? 0 : left_at(pos, count);
	__u64 to = good_address(len, PROT_READ | PROT_WRITE, false);
	struct around a = around(to, len);
	bool odd = pos < 0 || pos > INT64_MAX - 0x7ffff000 || (ssize_t)count < 0;
	bool whole = in_user_space(to, count) && all(to, len, PROT_WRITE, false);
	ssize_t ret;

	keep(was, a.from, a.len);
	doing(here ? "read" : "pread", fds[slot].fd, to, count, pos, 0, 0);
	ret = here ? read(fds[slot].fd, (void *)(uintptr_t)to, count) :
		     pread(fds[slot].fd, (void *)(uintptr_t)to, count, pos);
	error = result(READ, ret);
	if (file->mode == O_WRONLY)
		expect(READ, error, odd && error == EINVAL ? EINVAL : EBADF);
	else if (!odd && (whole || error))
		expect(READ, error, whole ? 0 : EFAULT);
	if (error)
		return;
	if (ret > (ssize_t)len || (whole && ret != (ssize_t)len))
		found("read() gave %zd bytes, where there were %zu.", ret, len);
	check_read(to, &a, pos, ret);
	if (here)
		file->pos += ret;
}

/* ---- ioctl() ---------------------------------------------------------------------------- */

static unsigned int some_command(unsigned int right)
{
	switch (below(16)) {
	case 0:
		return random64();
	case 1:
		return right ^ 1U << below(32);
	case 2:
		return one_in(2) ? DMA_MMAP_COPY : DMA_SG_COPY;
	}
	return right;
}

/* A command that is not this device's. */
static bool is_unknown(unsigned int command, int error)
{
	if (device != M2M && command == (device == MMAP ? DMA_MMAP_COPY : DMA_SG_COPY))
		return false;
	expect(IOCTL, error, ENOTTY);
	return true;
}

/* Else both ends soon hold the same, and what goes too far is not seen. */
static void stir(int slot, size_t len)
{
	unsigned char *bytes = shared->files[fds[slot].file].bytes, *all;
	size_t from = len < MARGIN ? 0 : len - MARGIN;
	size_t to = len + MARGIN < DMA_MMAP_SIZE ? len + MARGIN : DMA_MMAP_SIZE;

	if (mode_of(slot) != O_RDWR || len > DMA_MMAP_SIZE)
		return;
	all = mmap(NULL, BOTH, PROT_READ | PROT_WRITE, MAP_SHARED, fds[slot].fd, 0);
	if (all == MAP_FAILED)
		found("The buffers cannot be mapped: %s.", name_of(errno));
	for (size_t end = 0; end < BOTH; end += DMA_MMAP_SIZE) {
		fill(all + end + from, to - from);
		memcpy(bytes + end + from, all + end + from, to - from);
	}
	munmap(all, BOTH);
}

static void check_buffers(int slot)
{
	unsigned char *all;

	if (mode_of(slot) == O_WRONLY)
		return;
	all = mmap(NULL, BOTH, PROT_READ, MAP_SHARED, fds[slot].fd, 0);
	if (all == MAP_FAILED)
		found("The buffers cannot be mapped: %s.", name_of(errno));
	if (memcmp(all, shared->files[fds[slot].file].bytes, BOTH))
		found("The ioctl() left other bytes in the buffers than it had to.");
	munmap(all, BOTH);
}

static void ask_mmap(void)
{
	int slot = some_slot(), error, want = 0;
	unsigned char *bytes = shared->files[fds[slot].file].bytes;
	unsigned int command = some_command(DMA_MMAP_COPY);
	struct dma_mmap_copy copy = { .len = some_length(DMA_MMAP_SIZE) };
	__u64 address;

	if (one_in(16))
		copy.flags = 1U << below(32);
	note("stores before an ioctl", fds[slot].fd, copy.len, 0, 0, 0, 0);
	stir(slot, copy.len);
	memcpy(&asked, &copy, sizeof(copy));
	address = place_request(sizeof(copy));
	if (!request_at(address, &copy, sizeof(copy)))
		want = EFAULT;
	else if (!copy.len || copy.len > DMA_MMAP_SIZE || copy.flags)
		want = EINVAL;
	doing("ioctl", fds[slot].fd, command, address, copy.len, copy.flags, 0);
	error = result(IOCTL, ioctl(fds[slot].fd, command, address));
	if (!is_unknown(command, error)) {
		expect(IOCTL, error, want);
		if (!error)
			memcpy(bytes + DMA_MMAP_SIZE, bytes, copy.len);
	}
	check_buffers(slot);
}

/* ---- lab 3 --------------------------------------------------------------------------- */

static size_t pages_of(__u64 address, size_t len)
{
	return (address % PAGE + len + PAGE - 1) / PAGE;
}

/* What has to be answered: 0, or a negative errno; and reported. */
static int ought(const struct dma_sg_copy *copy, struct dma_sg_copy *want)
{
	__u64 src = untagged(copy->src), dst = untagged(copy->dst), n;

	if (!copy->len || copy->flags)
		return -EINVAL;
	if (!in_user_space(copy->src, copy->len) || !in_user_space(copy->dst, copy->len))
		return -EFAULT;
	if (src < dst + copy->len && dst < src + copy->len)
		return -EINVAL;
	for (; want->copied < copy->len; want->copied += n, src += n, dst += n) {
		n = DMA_SG_WINDOW - dst % DMA_SG_WINDOW;
		if (n > copy->len - want->copied)
			n = copy->len - want->copied;
		if (!all(src, n, PROT_READ, true) || !all(dst, n, PROT_WRITE, true))
			return -EFAULT;
		want->pages += pages_of(src, n) + pages_of(dst, n);
	}
	return 0;
}

static bool apart(__u64 a, size_t a_len, __u64 b, size_t b_len)
{
	a = untagged(a);
	b = untagged(b);
	return a + a_len <= b || b + b_len <= a;
}

/* The same memory at two places: then what comes out is nobody's business. */
static bool is_tangled(const struct dma_sg_copy *copy, size_t copied, const struct around *a,
		       __u64 request)
{
	return marks(a->from, a->len, true) || marks(copy->src, copied, false) ||
	       marks(request, sizeof(*copy), false) ||
	       !apart(copy->src, copied, a->from, a->len) ||
	       !apart(request, sizeof(*copy), a->from, a->len) ||
	       !apart(request, sizeof(*copy), copy->src, copied);
}

static void check_report(const struct dma_sg_copy *got, const struct dma_sg_copy *want)
{
	if (got->copied != want->copied)
		found("%llu bytes were to be copied, and %llu were, it says.",
		      want->copied, got->copied);
	if (got->pages != want->pages)
		found("%llu pages were to be pinned, and %llu were, it says.",
		      want->pages, got->pages);
	if (got->cpu_bytes > got->copied || got->segments > got->pages ||
	    got->descriptors > got->segments || (!got->descriptors && got->cpu_bytes < got->copied))
		found("The report cannot be right: %llu segments, %llu descriptors, the CPU %llu.",
		      got->segments, got->descriptors, got->cpu_bytes);
}

static void check_copy(const struct around *a, size_t copied)
{
	size_t wrong;

	memcpy(was + a->before, source, copied);
	wrong = differs(was, a->from, a->len);
	if (wrong < a->len)
		found("Byte %ld of the destination is wrong, of %zu that were copied.",
		      (long)(wrong - a->before), copied);
}

static void draw_request(void)
{
	size_t len = some_length(one_in(8) ? PAGES * PAGE : 20000);

	if (cramped)
		len %= DMA_SG_WINDOW / 16;
	memset(&asked, 0xff, sizeof(asked));
	asked.len = len;
	asked.flags = one_in(20) ? 1ULL << below(64) : 0;
	asked.src = good_address(len, PROT_READ, true);
	asked.dst = one_in(16) ? asked.src + below(300) - 150 :
				 good_address(len, PROT_READ | PROT_WRITE, true);
}

/* The copy is asked for; returns its errno, and the report as far as it can be had. */
static int ask(__u64 at, unsigned int command, const struct dma_sg_copy *copy,
	       struct dma_sg_copy *want, struct dma_sg_copy *report)
{
	int fd = fds[some_slot()].fd, error;

	doing("ioctl", fd, command, at, copy->src, copy->dst, copy->len);
	error = result(IOCTL, ioctl(fd, command, at));
	if (command != DMA_SG_COPY)
		want->copied = 0;
	if (!request_at(at, report, sizeof(*report)))
		report->len = 0;
	return error;
}

static void ask_sg(void)
{
	unsigned int command = some_command(DMA_SG_COPY);
	struct dma_sg_copy copy, want = {}, report = {};
	bool tangled, readable, writable;
	int ought_to = -EFAULT, error;
	struct around a;
	__u64 at;

	draw_request();
	at = place_request(sizeof(copy));
	readable = request_at(at, &copy, sizeof(copy));
	if (readable)
		ought_to = ought(&copy, &want);
	else
		copy = (struct dma_sg_copy){};
	writable = all(at, sizeof(copy), PROT_WRITE, false);
	a = around(copy.dst, copy.len);
	tangled = is_tangled(&copy, want.copied, &a, at);
	if (!tangled) {
		keep(was, a.from, a.len);
		keep(source, untagged(copy.src), want.copied);
	}
	error = ask(at, command, &copy, &want, &report);
	if (!is_unknown(command, error)) {
		expect(IOCTL, error, readable && !writable ? EFAULT : -ought_to);
		if (readable && writable && !tangled)
			check_report(&report, &want);
	}
	if (readable && !tangled && a.len)
		check_copy(&a, want.copied);
	written(at, sizeof(copy));
}

/* Lab 1 has no ioctl(). */
static void ask_m2m(void)
{
	unsigned int command = some_command(DMA_SG_COPY);
	int fd = fds[some_slot()].fd;
	__u64 at = some_address();

	doing("ioctl", fd, command, at, 0, 0, 0);
	is_unknown(command, result(IOCTL, ioctl(fd, command, at)));
}

static void do_ioctl(void)
{
	static void (* const asks[])(void) = { ask_m2m, ask_mmap, ask_sg };

	asks[device]();
}

/* ---- processes ---------------------------------------------------------------------- */

static void operate(void);

/* A child has all mappings and descriptors; some end in a bad way. */
static void be_child(__u64 number)
{
	forked++;
	seed(number);
	check_mapped();
	for (size_t left = below(12); left; left--)
		operate();
	check_mapped();
	if (one_in(4))
		raise(SIGKILL);
	_exit(0);
}

/* What is open here stays so, whatever another process closes; or is no longer held. */
static void hold(bool *files, bool keep)
{
	for (int file = 0; file < FILES; file++) {
		if (keep)
			files[file] = in_use(file);
		shared->files[file].held += keep ? files[file] : -files[file];
	}
}

static void do_fork(void)
{
	__u64 number = random64();
	bool files[FILES];
	int status;
	pid_t pid;

	if (forked)
		return;
	doing("fork", 0, 0, 0, 0, 0, 0);
	shared->forks++;
	hold(files, true);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		be_child(number);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	hold(files, false);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		found("Signal %d killed a process.", WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

/* A child that does nothing but hold what it has, until it is told to end. */
static void be_holder(int told)
{
	char byte;

	while (read(told, &byte, 1) < 0 && errno == EINTR)
		;
	check_mapped();
	_exit(0);
}

static struct { pid_t pid; int tell; bool files[FILES]; } holder;

static void let_go(void)
{
	int status;

	doing("end of the process that holds", 0, 0, 0, 0, 0, 0);
	close(holder.tell);
	if (waitpid(holder.pid, &status, 0) != holder.pid)
		die("waitpid");
	if (WIFSIGNALED(status))
		found("Signal %d killed a process that held mappings.", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	hold(holder.files, false);
	holder.pid = 0;
}

static void do_hold(void)
{
	int ends[2];

	if (forked)
		return;
	if (holder.pid) {
		let_go();
		return;
	}
	doing("fork of a process that holds", 0, 0, 0, 0, 0, 0);
	hold(holder.files, true);
	if (pipe2(ends, O_CLOEXEC))
		die("pipe2");
	fflush(stdout);
	holder.pid = fork();
	if (holder.pid < 0)
		die("fork");
	if (!holder.pid) {
		close(ends[1]);
		be_holder(ends[0]);
	}
	close(ends[0]);
	holder.tell = ends[1];
}

/* ---- one after the other -------------------------------------------------------------- */

/* How often a device is asked for each, of a thousand. */
static const struct {
	void (*go)(void);
	int often[3];
} operations[] = {
	{ do_write, { 350, 5, 5 } },	{ do_read, { 350, 5, 5 } },
	{ do_ioctl, { 40, 400, 560 } },	{ do_open, { 20, 30, 10 } },
	{ do_close, { 15, 30, 10 } },	{ do_dup, { 10, 10, 5 } },
	{ do_other, { 5, 5, 5 } },	{ do_memory, { 70, 40, 160 } },
	{ do_renew, { 20, 20, 40 } },	{ do_store, { 50, 100, 70 } },
	{ do_munmap, { 10, 40, 20 } },	{ do_map, { 10, 150, 10 } },
	{ do_lend, { 0, 0, 15 } },	{ do_mprotect, { 20, 60, 30 } },
	{ do_mremap, { 10, 40, 20 } },	{ do_madvise, { 10, 30, 20 } },
	{ do_check, { 2, 15, 5 } },	{ do_fork, { 3, 3, 3 } },
	{ do_hold, { 3, 5, 3 } },
};

/* Labs 2 and 3 have neither read() nor write(). */
static void refuse_io(bool reads)
{
	int slot = some_slot();
	size_t count = some_length(70000);
	__u64 at = some_address();
	ssize_t ret;

	doing(reads ? "read" : "write", fds[slot].fd, at, count, 0, 0, 0);
	ret = reads ? read(fds[slot].fd, (void *)(uintptr_t)at, count) :
		      write(fds[slot].fd, (void *)(uintptr_t)at, count);
	if (!result(reads ? READ : WRITE, ret))
		found("%s gave success, and the device has no such call.", shared->what);
}

static void operate(void)
{
	size_t sum = 0, i;
	int draw;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		sum += operations[i].often[device];
	draw = below(sum);
	for (i = 0; draw >= operations[i].often[device]; i++)
		draw -= operations[i].often[device];
	if (device != M2M && (operations[i].go == do_read || operations[i].go == do_write))
		refuse_io(operations[i].go == do_read);
	else
		operations[i].go();
}

static void begin(__u64 number)
{
	seed(number);
	for (int i = 0; i < FDS; i++)
		fds[i].fd = -1;
	backing = memfd_create("fuzz", MFD_CLOEXEC);
	if (backing < 0 || ftruncate(backing, FILE_PAGES * PAGE))
		die("memfd_create");
	if (mmap((void *)(ARENA - PAGES * PAGE), 3 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < 8; i++)
		do_renew();
	do_open();
	limit = mmap((void *)(1UL << 40), PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ? 1UL << 39 : 1UL << 48;
	tags = !prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0);
	if (device == SG) {
		lender = open(paths[MMAP], O_RDWR | O_CLOEXEC);
		shared->files[FILES - 1] = (struct opened){ .mode = O_RDWR, .held = 1 };
	}
	shared->done = 0;
	shared->digest = 0xcbf29ce484222325;
}

static void work(unsigned long count, __u64 number)
{
	setpgid(0, 0);
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		die("setuid");
	begin(number);
	while (shared->done < count)
		operate();
	if (holder.pid)
		let_go();
	check_mapped();
	_exit(0);
}

/* ---- who watches ------------------------------------------------------------------------ */

static void ring(int signal)
{
	(void)signal;
}

/* wait_for WORKER: its end; or, when nothing happened for a while, where it is. */
static int wait_for(pid_t worker)
{
	struct sigaction action = { .sa_handler = ring };
	unsigned long last = 0;
	int status;

	sigaction(SIGALRM, &action, NULL);
	for (;;) {
		alarm(PATIENCE);
		if (waitpid(worker, &status, 0) == worker)
			return status;
		if (shared->done == last)
			break;
		last = shared->done;
	}
	printf("FOUND: nothing happened for %d s.\n", PATIENCE);
	tell_operation();
	fflush(stdout);
	kill(-worker, SIGKILL);
	_exit(1);
}

static void tell_all(void)
{
	printf("%lu operations, %lu forks, digest %016llx\n", shared->done, shared->forks,
	       shared->digest);
	for (int call = 0; call < CALLS; call++) {
		printf("%s:", calls[call]);
		for (size_t error = 0; error < ARRAY_SIZE(shared->seen[call]); error++)
			if (shared->seen[call][error])
				printf(" %lu %s", shared->seen[call][error], name_of(error));
		putchar('\n');
	}
}

/*
 * Where there are few bounce buffers, lab 3's driver goes on by halves of a window that it
 * cannot map. How far it then comes is not known: such copies are not asked for.
 */
static bool has_few_bounce_buffers(void)
{
	FILE *file = fopen("/sys/kernel/debug/swiotlb/io_tlb_nslabs", "r");
	unsigned long slabs;
	bool few = file && fscanf(file, "%lu", &slabs) == 1 && slabs < 4096;

	if (file)
		fclose(file);
	return few;
}

int main(int argc, char *argv[])
{
	pid_t worker;
	int status;

	while (argc == 4 && device <= SG && strcmp(argv[1], paths[device]))
		device++;
	if (argc != 4 || device > SG) {
		fprintf(stderr, "usage: fuzz DEVICE OPERATIONS SEED\n");
		return TROUBLE;
	}
	printf("seed %s\n", argv[3]);
	fflush(stdout);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	cramped = has_few_bounce_buffers();
	worker = fork();
	if (worker < 0)
		die("fork");
	if (!worker)
		work(strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 0));
	status = wait_for(worker);
	if (WIFSIGNALED(status)) {
		printf("FOUND: signal %d killed the program.\n", WTERMSIG(status));
		tell_operation();
		return 1;
	}
	if (!WEXITSTATUS(status))
		tell_all();
	return WEXITSTATUS(status);
}
