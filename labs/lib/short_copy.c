// SPDX-License-Identifier: GPL-2.0
/*
 * Control blocks that make the DMA engine copy less than it was told.
 *
 * A control block tells the engine what to do (BCM2835 ARM Peripherals, chapter
 * 4). The engine can read it like any other memory: so the first of ours copies
 * the driver's block into our page, the second puts another length into that
 * copy, and the third is the copy. It ends with the interrupt that the driver
 * waits for.
 *
 * The engine knows physical memory only, and does not look into the CPU's caches:
 * the page is locked, and its lines are cleaned. A 32-bit program cannot do that, and
 * refuses, unless the device tree says that the Pi is emulated: that one has no caches.
 * Not yet seen on a board.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGEMAP		"/proc/self/pagemap"
#define PAGEMAP_FRAME	0x007fffffffffffffULL

#define EMULATED	"/proc/device-tree/chosen/dma-labs,emulated"

/* The engine reaches the first GiB; the upper bits of an address say by which way. */
#define ENGINE_REACH	0x40000000ULL
#define ENGINE_WAY	0xc0000000U

#define TI_WAIT_RESP	0x008
#define TI_DEST_INC	0x010
#define TI_SRC_INC	0x100

struct control_block {
	__u32 info;
	__u32 source;
	__u32 destination;
	__u32 length;
	__u32 stride;
	__u32 next;
	__u32 reserved[2];
};

static int fail(const char *what)
{
	fprintf(stderr, "short_copy: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int explain_usage(void)
{
	fprintf(stderr,
		"usage: short_copy BLOCK LENGTH\n"
		"Prints the bus address of a control block that copies as the one at bus\n"
		"address BLOCK does, but LENGTH bytes. It is there until the reader of this\n"
		"address goes, and for ten seconds at most.\n");
	return EXIT_FAILURE;
}

static int parse(const char *text, __u32 *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	*number = value;
	return errno || *end || end == text || value != *number || value % 4;
}

/* Zero, with errno, when the engine cannot reach it. */
static __u64 physical(const void *page)
{
	__u64 entry, address;
	off_t offset = (uintptr_t)page / getpagesize() * sizeof(entry);
	int fd = open(PAGEMAP, O_RDONLY);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), offset) != sizeof(entry)) {
		close(fd);
		return 0;
	}
	close(fd);
	/* Who is not root sees page frame 0. */
	address = (entry & PAGEMAP_FRAME) * getpagesize();
	errno = address ? ERANGE : EPERM;
	return address < ENGINE_REACH ? address : 0;
}

static int clean(const void *start, size_t len)
{
#ifdef __aarch64__
	const char *line = start;

	for (; line < (const char *)start + len; line += sizeof(struct control_block))
		asm volatile("dc cvac, %0" : : "r" (line) : "memory");
	asm volatile("dsb sy" : : : "memory");
	return 0;
#else
	(void)start;
	(void)len;
	if (!access(EMULATED, F_OK))
		return 0;
	errno = EOPNOTSUPP;
	return -1;
#endif
}

/* blocks[3] is none: its length is what the second copies into the third. */
static void fill(struct control_block *blocks, __u32 bus, __u32 driver, __u32 len)
{
	__u32 third = bus + 2 * sizeof(*blocks);
	__u32 at = (char *)&blocks->length - (char *)blocks;

	blocks[0].info = TI_WAIT_RESP | TI_DEST_INC | TI_SRC_INC;
	blocks[0].source = driver;
	blocks[0].destination = third;
	blocks[0].length = sizeof(*blocks);
	blocks[0].next = bus + sizeof(*blocks);

	blocks[1].info = TI_WAIT_RESP;
	blocks[1].source = third + sizeof(*blocks) + at;
	blocks[1].destination = third + at;
	blocks[1].length = sizeof(len);
	blocks[1].next = third;

	blocks[3].length = len;
}

int main(int argc, char **argv)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	struct control_block *blocks;
	__u32 driver, len, bus;
	__u64 address;

	if (argc != 3 || parse(argv[1], &driver) || parse(argv[2], &len))
		return explain_usage();

	blocks = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	if (blocks == MAP_FAILED)
		return fail("memory");
	address = physical(blocks);
	if (!address)
		return fail(PAGEMAP);

	bus = address | (driver & ENGINE_WAY);
	fill(blocks, bus, driver, len);
	if (clean(blocks, 4 * sizeof(*blocks)))
		return fail("cleaning the cache");

	if (printf("0x%08x\n", bus) < 0 || fflush(stdout))
		return fail("standard output");
	if (poll(&reader, 1, 10000) < 0)
		return fail("waiting for the reader");
	return EXIT_SUCCESS;
}
