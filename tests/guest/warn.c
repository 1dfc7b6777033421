// SPDX-License-Identifier: GPL-2.0
/* Loads, and makes the kernel warn: for the tests that must see it. */

#include <linux/module.h>

static int __init warn_init(void)
{
	WARN(1, "a warning on purpose\n");
	return 0;
}
module_init(warn_init);

MODULE_DESCRIPTION("A kernel warning on purpose");
MODULE_LICENSE("GPL");
