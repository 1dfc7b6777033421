-- SPDX-License-Identifier: GPL-2.0
-- The columns of a table are as wide as what is in them: in HTML the browser sees to
-- it; in LaTeX, where a table would not fit its line, each gets its share, and one of
-- five columns, which paper has no room for, becomes a list of its rows, unless they are
-- numbers. A table that fits on a page is not torn apart, nor from what introduces it.

local fits = 60 -- characters
local line = 80 -- characters, on paper
local page = 28 -- lines, of a table that stays whole

local function width(cell)
	return #pandoc.utils.stringify(cell.contents)
end

local function rows(tab)
	local all = pandoc.List(tab.head.rows):clone()
	for _, body in ipairs(tab.bodies) do
		all:extend(body.body)
	end
	return all
end

local function widest(tab)
	local widths = {}
	for _, row in ipairs(rows(tab)) do
		for n, cell in ipairs(row.cells) do
			widths[n] = math.max(widths[n] or 8, width(cell))
		end
	end
	return widths
end

-- A long text can be broken, and a short one cannot: the square root is between.
local function shares(widths)
	local sum, shared = 0, {}
	for n, wide in ipairs(widths) do
		shared[n] = math.sqrt(wide)
		sum = sum + shared[n]
	end
	for n = 1, #shared do
		shared[n] = shared[n] / sum
	end
	return shared
end

local function of_numbers(tab)
	return #tab.colspecs > 4 and tab.colspecs[#tab.colspecs][1] == 'AlignRight'
end

local function fit(tab)
	local widths = widest(tab)
	local sum = 0
	for _, wide in ipairs(widths) do
		sum = sum + wide
	end
	local shared = FORMAT == 'latex' and sum > fits and not of_numbers(tab) and shares(widths)
	for n, spec in ipairs(tab.colspecs) do
		tab.colspecs[n] = { spec[1], shared and shared[n] or nil }
	end
	return shared
end

-- How many lines it takes on paper, more or less.
local function height(tab, shared)
	local sum = 2
	for _, row in ipairs(rows(tab)) do
		local high = 1
		for n, cell in ipairs(row.cells) do
			high = math.max(high, shared and math.ceil(width(cell) / (shared[n] * line)) or 1)
		end
		sum = sum + high * 1.1
	end
	return math.ceil(sum)
end

local function entry(row, names)
	local text = pandoc.utils.blocks_to_inlines(row.cells[1].contents)
	text:insert(pandoc.RawInline('latex', '\\newline '))
	for n = 2, #row.cells do
		if width(row.cells[n]) > 0 then
			text:extend({ pandoc.Emph(pandoc.utils.blocks_to_inlines(names.cells[n].contents)),
				pandoc.Str(':'), pandoc.Space() })
			text:extend(pandoc.utils.blocks_to_inlines(row.cells[n].contents))
			text:extend({ pandoc.Str('.'), pandoc.Space() })
		end
	end
	return pandoc.Para(text)
end

local function list(tab, out)
	local all = rows(tab)
	for n = 2, #all do
		out:extend({ pandoc.RawBlock('latex', '\\begin{entry}'), entry(all[n], all[1]),
			pandoc.RawBlock('latex', '\\end{entry}') })
	end
end

-- Its heading, what is said in a few lines between the two, and a comment.
local function introduces(block)
	return block.t == 'Header' or block.t == 'RawBlock' and block.format == 'html' or
		block.t == 'Para' and #pandoc.utils.stringify(block) < 4 * line
end

local function make_room(out, lines)
	local at = #out + 1
	while at > 1 and at > #out - 2 and introduces(out[at - 1]) do
		at = at - 1
		lines = lines + 2
		if out[at].t == 'Header' then
			break
		end
	end
	out:insert(at, pandoc.RawBlock('latex', '\\room{' .. lines .. '\\baselineskip}'))
end

function Blocks(blocks)
	local out = pandoc.List()
	for _, block in ipairs(blocks) do
		local shared = block.t == 'Table' and fit(block)
		if block.t == 'Table' and FORMAT == 'latex' then
			if #block.colspecs > 4 and not of_numbers(block) then
				list(block, out)
				goto next
			end
			local lines = height(block, shared)
			make_room(out, lines > page and 8 or lines)
		end
		out:insert(block)
		::next::
	end
	return out
end
