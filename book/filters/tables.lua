-- SPDX-License-Identifier: GPL-2.0
-- The columns of a table are as wide as what is in them: in HTML the browser sees to
-- it; in LaTeX, where a table would not fit its line, each gets its share.

local fits = 60 -- characters

local function widest(tab)
	local widths = {}
	local function look(rows)
		for _, row in ipairs(rows) do
			for n, cell in ipairs(row.cells) do
				local length = #pandoc.utils.stringify(cell.contents)
				widths[n] = math.max(widths[n] or 8, length)
			end
		end
	end
	look(tab.head.rows)
	for _, body in ipairs(tab.bodies) do
		look(body.body)
	end
	return widths
end

-- A long text can be broken, and a short one cannot: the square root is between.
local function shares(widths)
	local sum, shared = 0, {}
	for n, width in ipairs(widths) do
		shared[n] = math.sqrt(width)
		sum = sum + shared[n]
	end
	for n = 1, #shared do
		shared[n] = shared[n] / sum
	end
	return shared
end

function Table(tab)
	local widths = widest(tab)
	local sum = 0
	for _, width in ipairs(widths) do
		sum = sum + width
	end
	local shared = FORMAT == 'latex' and sum > fits and shares(widths)
	for n, spec in ipairs(tab.colspecs) do
		tab.colspecs[n] = { spec[1], shared and shared[n] or nil }
	end
	return tab
end
