-- SPDX-License-Identifier: GPL-2.0
-- What the filters share. Each is run from the top of the workbook.

local book = {}

-- The first line of the chapter that has all of these words in it: "FILE:LINE: ".
local function place(words)
	for _, file in ipairs(PANDOC_STATE.input_files) do
		local number = 0
		for line in io.lines(file) do
			number = number + 1
			local has = true
			for _, word in ipairs(words) do
				has = has and line:find(word, 1, true)
			end
			if has then
				return file .. ':' .. number .. ': '
			end
		end
	end
	return ''
end

-- Ends the run: what is missing is an error, and never an empty place in the book.
function book.die(why, ...)
	io.stderr:write('book: ', place({ ... }), why, '\n')
	os.exit(1)
end

function book.read(file)
	local handle = io.open(file)
	if not handle then
		return nil
	end
	local text = handle:read('a')
	handle:close()
	return text
end

-- A listing: a line that says where it is from, and the code.
function book.listing(caption, code)
	code.attributes = {}
	return pandoc.Div({ pandoc.Div(pandoc.Plain(caption), { class = 'caption' }), code },
		{ class = 'listing' })
end

return book
