// SPDX-License-Identifier: GPL-2.0
/*
 * One write(2), exactly as told, and what came of it.
 *
 * The kernel is asked once, with the length that was given and, if so wished,
 * with memory that ends before that length does: a shell can do neither. Prints
 * what write(2) returned, or the name of its error. A driver that does not come
 * back is given ten seconds, then SIGALRM ends us, if the driver can be ended.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "one_write: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int explain_usage(void)
{
	fprintf(stderr,
		"usage: one_write FILE LENGTH [THERE] <DATA\n"
		"Writes the first LENGTH bytes of standard input to FILE with one write(2); with\n"
		"THERE, there is memory for so many of them only, and none behind it.\n");
	return EXIT_FAILURE;
}

static int parse(const char *text, size_t *number)
{
	char *end;

	*number = strtoul(text, &end, 10);
	return *end || end == text || *number > INT_MAX;
}

/* Memory of that length; the page behind it may not be touched. */
static char *memory_before_a_hole(size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t pages = (len + page - 1) / page * page;
	char *map = mmap(NULL, pages + page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + pages, page, PROT_NONE))
		return NULL;
	return map + pages - len;
}

int main(int argc, char **argv)
{
	size_t len, there;
	ssize_t written;
	char *data;
	int fd;

	if (argc < 3 || argc > 4 || parse(argv[2], &len) || parse(argv[argc - 1], &there))
		return explain_usage();

	data = memory_before_a_hole(there);
	if (!data)
		return fail("memory");
	if (fread(data, 1, there, stdin) != there)
		return fail("standard input is too short");
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		return fail(argv[1]);

	alarm(10);
	written = write(fd, data, len);
	if (written >= 0)
		printf("%zd\n", written);
	else if (strerrorname_np(errno))
		puts(strerrorname_np(errno));
	else
		printf("errno %d, which user space has no name for\n", errno);
	return EXIT_SUCCESS;
}
