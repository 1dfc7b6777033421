-- SPDX-License-Identifier: GPL-2.0
-- A step of a lab, as the solution that is compiled has it:
--
--	``` {.c lab="1" step="4, map"}
--	```
--
-- A handout's book has none.

local book = dofile('book/filters/lib.lua')

-- What stands inside a function begins where the line does.
local function shift(text)
	if ('\n' .. text):find('\n[^\t\n]') then
		return text
	end
	return (('\n' .. text):gsub('\n\t', '\n'):sub(2))
end

function CodeBlock(code)
	local lab, step = code.attributes.lab, code.attributes.step
	if not step then
		return nil
	end
	if (os.getenv('HANDOUT') or '') ~= '' then
		return {}
	end
	local function cut(option)
		local number, name = step:match('^(%d+), (.+)$')
		local good, said = pcall(pandoc.pipe, 'solutions/cut', { option, lab, number, name }, '')
		if not good then
			book.die('there is no step "' .. step .. '" of lab "' .. tostring(lab) .. '"',
				'lab="' .. tostring(lab) .. '"', 'step="' .. step .. '"')
		end
		return said
	end
	code.text = shift(cut('-r'):gsub('\n+$', ''))
	local file = cut('-f'):gsub('\n$', '')
	return book.listing({ pandoc.Strong('Lab ' .. lab .. ', step ' .. step), pandoc.Space(),
		pandoc.Code(file) }, code)
end
