-- SPDX-License-Identifier: GPL-2.0
-- What a command of book/transcripts printed, as book/record has kept it:
--
--	``` {.console transcript="lab-1-demo"}
--	```

local book = dofile('book/filters/lib.lua')

local function command(name)
	for line in io.lines('book/transcripts') do
		local found, words = line:match('^([^#%s]%S*)%s+(.*)$')
		if found == name then
			return words
		end
	end
	return nil
end

function CodeBlock(code)
	local name = code.attributes.transcript
	if not name then
		return nil
	end
	local text = book.read('chapter-9/transcripts/' .. name .. '.txt')
	local words = command(name)
	if not text or text == '' or not words then
		book.die('there is no transcript "' .. name .. '"', 'transcript="' .. name .. '"')
	end
	code.text = text:gsub('\n+$', '')
	return book.listing({ pandoc.Strong('On the emulated Pi'), pandoc.Space(), pandoc.Code(words) },
		code)
end
