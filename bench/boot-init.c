/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /init of the guest whose boot bench/50-boot.sh counts: says that it is there, and resets the machine.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	static const char hello[] = "guest init\n";

	if (write(STDOUT_FILENO, hello, sizeof(hello) - 1) < 0) {
		/* a console that is not there is no reason to stay */
	}
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
