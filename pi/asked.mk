# SPDX-License-Identifier: GPL-2.0
# For pi/kbuild, which has make read this first. kbuild asks the compiler and the linker
# some 27 times a build whether they know an option, by compiling nothing with it: a third
# of what a small module takes. What the answer was yes to is a line of $(ASKED), and is not
# asked again; a no may have been for want of memory, and is.

space := $(subst ,, )
question = $(subst ',,$(subst %,\\,$(subst $(space),|,$(subst $(dir $(ASKED)),,$(strip $1)))))
known := $(shell cat $(ASKED) 2>/dev/null)

# try-run COMMAND,YES,NO: as kbuild's own, but that it keeps what succeeds, where it can.
override define try-run
$(if $(filter $(question),$(known)),$2,$(shell set -e;
	TMP=$(TMPOUT)/tmp;
	trap "rm -rf $(TMPOUT)" EXIT;
	mkdir -p $(TMPOUT);
	if ($1) >/dev/null 2>&1; then
		echo "$2";
		{ printf '%s\n' '$(question)' >>$(ASKED); } 2>/dev/null || :;
	else
		echo "$3";
	fi))
endef
