-- SPDX-License-Identifier: GPL-2.0
-- A table of a lab's wrong answers: the step that catches each, what was done in it
-- (the first sentence of its text), and how it shows itself. All of it is from their
-- headers: tests/wrong-answers.sh says what these hold.
--
--	``` {.wrong-answers lab="1"}
--	```

local book = dofile('book/filters/lib.lua')
local folder = 'tests/wrong-answers/'

-- What is code, and no word, is set as code.
local function mark(word)
	local head, core, tail = word:match('^(["(]*)(.-)([.,:;?!"]*)$')
	if core:match('%)$') and not core:match('%(') then
		core, tail = core:sub(1, -2), ')' .. tail
	end
	if core:match('[_=]') or core:match('%->') or core:match('%(%)$') or core:match('^E%u+$') or
		core:match('^SIG%u+$') then
		core = '`' .. core .. '`'
	end
	return head .. core .. tail
end

local function cell(text)
	return (text:gsub('%s+', ' '):gsub('%.$', ''):gsub('%S+', mark):gsub('|', '\\|'))
end

local function row(name)
	local text = (book.read(folder .. name) or book.read(folder .. name .. '/header')) .. '\n\n'
	local step, shows = text:match('\nStep: (%d+)'), text:match('\nShows: ([^\n]+)')
	local done = text:match('\nShows: [^\n]+\n\n(.-)\n\n')
	if not (step and shows and done) then
		book.die(folder .. name .. ' has no Step:, no Shows:, or no text')
	end
	done = (done .. ' '):match('^(.-)%.%s') or done
	return { step = tonumber(step), line = '| ' .. step .. ' | ' .. cell(done) .. ' | ' .. cell(shows) .. ' |' }
end

local function rows(lab)
	local found = {}
	for name in pandoc.pipe('ls', { folder }, ''):gmatch('lab%-' .. lab .. '%-[^\n]+') do
		table.insert(found, row(name))
		found[#found].order = #found
	end
	table.sort(found, function(a, b)
		return a.step < b.step or a.step == b.step and a.order < b.order
	end)
	return found
end

function CodeBlock(code)
	if not code.classes:includes('wrong-answers') then
		return nil
	end
	local lab = code.attributes.lab or ''
	local lines = { '| step | what was done | how it shows itself |', '|-:|:--|:--|' }
	for _, found in ipairs(rows(lab)) do
		table.insert(lines, found.line)
	end
	if #lines == 2 then
		book.die('there is no wrong answer to lab "' .. lab .. '"', 'wrong-answers lab="' .. lab .. '"')
	end
	return pandoc.read(table.concat(lines, '\n'), 'markdown').blocks
end
