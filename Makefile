# SPDX-License-Identifier: GPL-2.0
# The front door: `make help` says what there is.

LAB ?= 1
SOLUTION ?=
BOARD ?= raspi3b
KERNEL ?=
TEXT ?= one-two-three
PAPER ?=
export LAB SOLUTION BOARD KERNEL TEXT PAPER

# A name that is misspelt would do nothing: whoever wrote it would get another lab's tests.
names = LAB STEP SOLUTION ANSWER KERNEL BOARD FRESH TEXT FORMAT PAPER HTML BASE ARCH IN OUT ROSTER \
	DEADLINES TIMES AGAIN JOBS ENGINE GRADING_SECONDS BOUNCE OVERLAY HANDOUT SEED OPERATIONS \
	STRESS CC SOURCE_DATE_EPOCH DEBIAN_MIRROR SECURITY_MIRROR XDG_CACHE_HOME TMPDIR NO_COLOR \
	SBATCH_% SLURM_% %_proxy
$(foreach its-name,$(filter-out $(names),$(.VARIABLES)),$(if $(filter command,$(origin $(its-name))),\
	$(error $(its-name)=$($(its-name)) is not known: make help lists what there is, in capitals)))

.DELETE_ON_ERROR:
.PHONY: help demo test watch shell doctor install uninstall diff handout skeletons bench bench-compare grade book transcripts check matrix check-native check-fresh clean

#: The DMA labs: drivers for a Raspberry Pi, emulated or real.
#:
#+   make demo [TEXT=...]   from nothing to a copy by DMA on the emulated Pi:
#+                          installs what is missing, builds, boots, shows
#+   make check             every test of the workbook
#+   make matrix            the labs on each kernel and board, a table for the README
#+   make check-native      the labs on a whole Debian on the emulated Pi (as root)
#+             ARCH=armhf   a 32-bit one
#+   make check-fresh       demo and check in bare Debian 12 and 13 (as root)
#:   make test LAB=1        the tests of your lab 1 on the emulated Pi
#:   make watch LAB=1       the same at each save, a line a step
#:   make shell LAB=1       a shell there, with the lab's module at hand
#:   make doctor            what this machine is, and whether the labs run here
#:   sudo make install      on a Pi: device tree overlay, built modules, a group
#:   sudo make uninstall    takes all of that away again
#+   make book              the book: dma-labs.pdf, .html and .epub in build/book/
#+             FORMAT=html  one of them; PAPER=6x9, the PDF in another size
#+   make bench             what copies cost the CPU, and how fast the workbook is
#+   make bench-compare BASE=main   what the solutions cost in that revision, and now
#:   make clean             removes build/ (the downloads stay, in the cache)
#:
#+ For instructors, and who changes a solution:
#+   make diff LAB=1        your lab 1 against its solution
#+             HTML=1       side by side, as a page in build/
#+   make handout           a tarball for students: no solutions, no wrong answers
#+   make grade IN=dir OUT=dir   a class: a folder or an archive a student in, a report out
#+             ROSTER= DEADLINES= TIMES= AGAIN=1 JOBS= ENGINE=slurm   see grading/README.md
#+   make skeletons         cuts the drivers in labs/ from the solutions anew
#+   make transcripts       records what the book shows of the emulated Pi anew
#+
#+ What test and shell take besides:
#+   SOLUTION=1             the solution instead of your own files
#+   STEP=3                 the solution up to that step
#: What test takes:
#:   FRESH=1                a Pi that boots, not one that was saved after it had
#+ What test and shell take, and demo:
#- What test and shell take:
#:   KERNEL=6.12            another Debian kernel, or newest (default: your release's)
#:   KERNEL=debug           yours, built with all that finds a driver's mistakes; or
#:                          races, with what finds data races
#:   BOARD=raspi2b          a 32-bit board, or raspi4b (default: raspi3b)
# Lines with a + are not for a handout, and one with a - is for that alone.
help:
	@sed -n 's/^#[:$(if $(wildcard solutions),+,-)] \{0,1\}//p' Makefile

# What a handout has not.
whole = [ -d solutions ] || { echo 'make $@: this is a handout, without solutions:' \
	'make help lists what it has' >&2; exit 2; };

demo:
	@$(whole) pi/setup run
	@SOLUTION=1 pi/lab demo "$$TEXT"
	@cat pi/next-steps

test:
	@pi/setup run
	@pi/lab test "$$LAB"

watch:
	@pi/setup run
	@pi/watch "$$LAB"

shell:
	@pi/setup run
	@pi/lab shell "$$LAB"

doctor:
	@pi/doctor

install:
	@pi/install

uninstall:
	@pi/install -u

diff:
	@$(whole) solutions/diff "$$LAB" $(if $(HTML),"build/diff-lab-$$LAB.html")

handout:
	@$(whole) pi/setup handout
	@solutions/handout build/dma-labs-handout.tar.gz

skeletons:
	@$(whole) solutions/skeletons

# What comes after the two folders is in the environment: see grading/class.
grade:
	@$(whole) [ -n "$$IN" ] && [ -n "$$OUT" ] || \
		{ echo 'make $@: whose, and where to? IN=submissions OUT=reports' >&2; exit 2; }
	@pi/setup grade
	@grading/class "$$IN" "$$OUT"

# The book is made of the solutions, too.
book:
	@$(whole) pi/setup book
	@book/make $(FORMAT)

transcripts:
	@$(whole) pi/setup run
	@book/record

bench:
	@$(whole) pi/setup book && pi/setup grade
	@tests/bench

bench-compare:
	@$(whole) [ -n "$(BASE)" ] || { echo 'make $@: which revision? BASE=main' >&2; exit 2; }
	@pi/setup run
	@tests/bench compare "$(BASE)"

# The tests call make as people do, not as a part of this one.
check:
	@$(whole) pi/setup check
	@$(MAKE) -s build/referee build/reseed-arm64
	@env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS tests/run

matrix:
	@$(whole) KERNEL=newest BOARD=raspi2b pi/setup check
	@tests/matrix

check-native:
	@$(whole) pi/setup native
	@tests/native/check $(ARCH)

check-fresh:
	@$(whole) tests/fresh

clean:
	rm -rf build

# Renamed when it is whole: another run may be using the old one.
build/referee: pi/referee.c
	@mkdir -p build
	@$(CC) -O2 -Wall -Wextra -o $@.$$$$ $< && mv $@.$$$$ $@

# For the guest.
cross-arm64 = aarch64-linux-gnu-
cross-armhf = arm-linux-gnueabihf-
build/reseed-%: pi/reseed.c
	@mkdir -p build
	@$(cross-$*)gcc -O2 -Wall -Wextra -static -o $@.$$$$ $< && mv $@.$$$$ $@
