-- SPDX-License-Identifier: GPL-2.0
-- Numbers the headings, where LaTeX does not: this is Chapter 9, its files are 9.1, 9.2...

local counts = { 0, 0 }

function Header(header)
	local level = header.level
	if FORMAT == 'latex' or level > #counts or header.classes:includes('unnumbered') then
		return nil
	end
	counts[level] = counts[level] + 1
	for below = level + 1, #counts do
		counts[below] = 0
	end
	local number = '9.' .. table.concat(counts, '.', 1, level)
	header.content:insert(1, pandoc.Span(number, { class = 'number' }))
	header.content:insert(2, pandoc.Space())
	return header
end
