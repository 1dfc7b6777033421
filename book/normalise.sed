# SPDX-License-Identifier: GPL-2.0
# What differs between two machines, or two runs, gets the same name in both: as
# addresses, so do the pieces that memory happens to be in.
s/0x[0-9a-f]*/ADDRESS/g
s/virtual [0-9a-f][0-9a-f]*/virtual ADDRESS/
s/^Linux [^ ]*/Linux VERSION/
s/\[ *[0-9]*\.[0-9]\{6\}\]/[TIME]/
s/dma0chan[0-9]*/CHANNEL/
s/cookie [0-9]*/cookie N/
s/^\(  segments\|  descriptors\).* [0-9]*$/\1 N/
s/\(physical .*\) [0-9]* bytes$/\1 N bytes/
s/submitted [0-9]* descriptors/submitted N descriptors/
/DMA IRQ$/{
	s/^ *[0-9]*: */IRQ: /
	s/ [0-9][0-9]* .*/ N/
}
