// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interleaving with other programs: one runs, the others wait, each for a byte on its own FIFO.
 * The parent process holds all FIFOs open, so that no byte is lost and no open() blocks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

static int fifo(const char *path, int how)
{
	int file = open(path, how | O_CLOEXEC);

	if (file < 0)
		fail("%s: %s", path, strerror(errno));
	return file;
}

void turn_take(const char *path)
{
	int file = fifo(path, O_RDONLY);
	ssize_t got;
	char byte;

	/* Now, so that the reader does not wake up while another program is timed. */
	fflush(stdout);
	do
		got = read(file, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		fail("%s: closed by the other end", path);
	close(file);
}

void turn_give(const char *path)
{
	int file = fifo(path, O_WRONLY);

	if (write(file, "", 1) != 1)
		fail("%s: %s", path, strerror(errno));
	close(file);
}
