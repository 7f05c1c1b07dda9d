/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other end for bench/io-guest.c: on TCP port 5001, by a connection's first byte: 'S' takes 12 MiB and says so, 'R' gives 12 MiB, 'P'
 * sends each 64 bytes back. One connection at a time; ends when it is killed.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM = 12 << 20, MESSAGE = 64, PORT = 5001 };

static char buf[65536];

static void serve(int fd)
{
	size_t left = STREAM;
	ssize_t n = 1;
	char what;

	if (read(fd, &what, 1) != 1)
		return;
	switch (what) {
	case 'S':
		for (; left && n > 0; left -= (size_t)n)
			n = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));
		n = write(fd, buf, 1);
		break;
	case 'R':
		for (; left && n > 0; left -= (size_t)n)
			n = write(fd, buf, left < sizeof(buf) ? left : sizeof(buf));
		break;
	case 'P':
		while ((n = recv(fd, buf, MESSAGE, MSG_WAITALL)) == MESSAGE && write(fd, buf, MESSAGE) == MESSAGE)
			;
		break;
	}
	/* until the other end has it all */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

int main(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, client;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 8)) {
		perror("io-peer");
		return 1;
	}
	for (;;) {
		client = accept(fd, NULL, NULL);
		if (client < 0)
			continue;
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(client);
		close(client);
	}
}
