# SPDX-License-Identifier: GPL-2.0
# For pi/kbuild, which has make read this first. kbuild asks the compiler some 27 times a
# build whether it knows an option, by compiling nothing with it: a third of what a small
# module takes. What the answer was yes to is a line of $(ASKED), and is not asked again; a
# no may have been for want of memory, and is.

space := $(subst ,, )
question = $(subst %,\\,$(subst $(space),|,$(subst $(dir $(ASKED)),,$(strip $1))))
known := $(file <$(ASKED))

# try-run COMMAND,YES,NO: as kbuild's own, but for the status and for what it keeps.
override define try-run
$(if $(filter $(question),$(known)),$2,$(shell
	TMP=$(TMPOUT)/tmp;
	trap "rm -rf $(TMPOUT)" EXIT;
	mkdir -p $(TMPOUT);
	if ($1) >/dev/null 2>&1; then
		echo "$2";
	else
		echo "$3"; exit 1;
	fi)$(and $(KEEP),$(filter 0,$(.SHELLSTATUS)),$(file >>$(ASKED),$(question))))
endef
