/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions behind AUTO_FREE and AUTO_CLOSE.
 */
#include "util/types.h"

#include <stdlib.h>
#include <unistd.h>

void auto_free_(void *p)
{
	free(*(void **)p);
}

void auto_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
