-- SPDX-License-Identifier: GPL-2.0
-- What a line must not end between: a number and its unit, a lab or a step and its number.

local units, numbered = {}, {}
for unit in ('KiB MiB GiB kB MB GB byte bytes bit bits ns ms s h MHz GHz'):gmatch('%S+') do
	units[unit] = true
end
for word in ('lab labs step steps chapter section figure pi debian linux'):gmatch('%S+') do
	numbered[word] = true
end

local function belong_together(left, right)
	return left:match('%d$') and units[right:match('^%a*')] or
		right:match('^%d') and numbered[(left:match('%a*$')):lower()]
end

function Inlines(inlines)
	for n = 2, #inlines - 1 do
		local left, space, right = inlines[n - 1], inlines[n], inlines[n + 1]
		if (space.t == 'Space' or space.t == 'SoftBreak') and left.t == 'Str' and right.t == 'Str' and
			belong_together(left.text, right.text) then
			inlines[n] = pandoc.Str('\u{a0}')
		end
	end
	return inlines
end
