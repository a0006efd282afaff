// SPDX-License-Identifier: BSD-2-Clause
/* power off|restart: what halt(8) and reboot(8) do in the end. */
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int how = RB_POWER_OFF;

	if (argc > 1 && !strcmp(argv[1], "restart"))
		how = RB_AUTOBOOT;
	sync();
	return reboot(how) ? 1 : 0;
}
