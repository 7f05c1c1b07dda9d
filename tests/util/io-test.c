/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing to what may have no reader.
 * links: util/io.c
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tests/tap.h"
#include "util/io.h"

enum { SIZE = 300000 };	/* more than a pipe holds */

static u8 data[SIZE], got[SIZE];
static int p[2];

static void *reader(void *arg)
{
	size_t n = 0;
	ssize_t r;

	while (n < SIZE && (r = read(p[0], got + n, SIZE - n)) > 0)
		n += (size_t)r;
	return NULL;
}

TEST(patient_write_gives_a_reader_all_of_it)
{
	pthread_t t;
	size_t i;

	for (i = 0; i < SIZE; i++)
		data[i] = (u8)(i * 7);
	CHECK(!pipe(p));
	CHECK(!pthread_create(&t, NULL, reader, NULL));
	CHECK_EQ(io_write_patient(p[1], data, SIZE), 0);
	pthread_join(t, NULL);
	CHECK(!memcmp(data, got, SIZE));
	close(p[0]);
	close(p[1]);
}

TEST(patient_write_gives_up_on_a_reader_that_does_not_read)
{
	CHECK(!pipe(p));
	CHECK_EQ(io_write_patient(p[1], data, SIZE), -ETIMEDOUT);
	close(p[0]);
	close(p[1]);
}

TEST(patient_write_tells_that_the_reader_went)
{
	CHECK(!pipe(p));
	close(p[0]);
	CHECK_EQ(io_write_patient(p[1], data, 1), -EPIPE);
	close(p[1]);
	CHECK_EQ(io_write_patient(p[1], data, 1), -EBADF);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(patient_write_gives_a_reader_all_of_it);
	RUN(patient_write_gives_up_on_a_reader_that_does_not_read);
	RUN(patient_write_tells_that_the_reader_went);
	return tap_done();
}
