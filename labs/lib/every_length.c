// SPDX-License-Identifier: GPL-2.0
/*
 * Writes and reads back each length in a range, and says which is the first to
 * come back otherwise than it went.
 *
 * Each length gets fresh random bytes, one write(2), and an open file of its own
 * to read from. The user's buffers begin at every address modulo 8 in turn.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define ALIGNMENTS	8

static int fail(const char *what)
{
	fprintf(stderr, "every_length: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int explain_usage(void)
{
	fprintf(stderr,
		"usage: every_length FILE FIRST LAST\n"
		"Writes each length from FIRST to LAST to FILE and reads it back; says at\n"
		"which length something was wrong.\n");
	return EXIT_FAILURE;
}

static int parse(const char *text, size_t *number)
{
	char *end;

	*number = strtoul(text, &end, 10);
	return *end || end == text || *number > INT_MAX;
}

static int randomise(char *data, size_t len)
{
	ssize_t got;

	for (; len; data += got, len -= got) {
		got = getrandom(data, len, 0);
		if (got < 0)
			return -1;
	}
	return 0;
}

static int write_all(const char *file, const char *data, size_t len)
{
	int fd = open(file, O_WRONLY);
	ssize_t written;

	if (fd < 0)
		return fail(file);
	written = write(fd, data, len);
	if (written < 0)
		fprintf(stderr, "write() of %zu bytes: %s\n", len, strerror(errno));
	else if ((size_t)written != len)
		fprintf(stderr, "write() of %zu bytes returned %zd\n", len, written);
	close(fd);
	return written < 0 || (size_t)written != len;
}

/* One byte more than there should be is asked for. */
static ssize_t read_all(const char *file, char *data, size_t len)
{
	int fd = open(file, O_RDONLY);
	ssize_t got = 1;
	size_t had = 0;

	if (fd < 0)
		return fail(file), -1;
	while (had <= len && got > 0) {
		got = read(fd, data + had, len + 1 - had);
		if (got > 0)
			had += got;
	}
	if (got < 0)
		fprintf(stderr, "read() after %zu bytes: %s\n", had, strerror(errno));
	close(fd);
	return got < 0 ? -1 : (ssize_t)had;
}

static int compare(const char *data, const char *back, size_t len)
{
	size_t at = 0;

	while (at < len && data[at] == back[at])
		at++;
	if (at == len)
		return 0;
	fprintf(stderr, "of %zu bytes the one at %zu came back as 0x%02x, not 0x%02x\n",
		len, at, back[at] & 0xff, data[at] & 0xff);
	return 1;
}

/* Both have room for a length more than len. */
static int try_length(const char *file, char *data, char *back, size_t len)
{
	ssize_t had;

	data += len % ALIGNMENTS;
	back += ALIGNMENTS - 1 - len % ALIGNMENTS;
	if (randomise(data, len))
		return fail("random bytes");
	if (write_all(file, data, len))
		return EXIT_FAILURE;
	had = read_all(file, back, len);
	if (had < 0)
		return EXIT_FAILURE;
	if ((size_t)had != len) {
		fprintf(stderr, "%zu bytes were written, and read() gave %s %zd\n", len,
			(size_t)had > len ? "at least" : "only", had);
		return EXIT_FAILURE;
	}
	return compare(data, back, len);
}

int main(int argc, char **argv)
{
	size_t first, last, len;
	char *data, *back;

	if (argc != 4 || parse(argv[2], &first) || parse(argv[3], &last))
		return explain_usage();
	data = malloc(last + ALIGNMENTS);
	back = malloc(last + ALIGNMENTS);
	if (!data || !back)
		return fail("memory");

	for (len = first; len <= last; len++) {
		/* A driver that does not come back is ended, if it can be. */
		alarm(10);
		if (try_length(argv[1], data, back, len))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
