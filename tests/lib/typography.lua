-- SPDX-License-Identifier: GPL-2.0
-- Slips of the pen in a text: instead of it, a line for each, "FILE:LINE: why: what". As
-- pandoc has read the text, what is code in it is known.

local file = PANDOC_STATE.input_files[1]
local lines, slips = {}, pandoc.List()
local code, spans = {}, pandoc.List() -- lines, and in lines

-- In a heading, these have a capital in any place.
local names = {}
for name in ('Debian Engine Linux Pi Raspberry'):gmatch('%S+') do
	names[name] = true
end

local function slip(why, what, number)
	for n, line in ipairs(lines) do
		number = number or line:find(what, 1, true) and n
	end
	slips:insert(file .. ':' .. (number or '?') .. ': ' .. why .. ': ' .. what)
end

local function is_space(inline)
	return inline.t == 'Space' or inline.t == 'SoftBreak'
end

local function look_at_pair(left, right)
	local word, both = left:match('^%a+$'), left .. ' ' .. right
	if word and word:lower() == (right:match('^%a+') or ''):lower() and right:match('^%a+%p*$') then
		slip('twice', both)
	elseif right:match('^[,;:!?)]') or right:match('^%.%W*$') then
		slip('a space before', both)
	elseif right == '-' or right == '–' or right == '—' then
		slip('a dash, where the book has none', (both:gsub('—', '---'):gsub('–', '--')))
	end
end

local function is_minus(inline, after)
	return inline.text == '-' and after and after.t == 'Str' and after.text:match('^%d')
end

local function look_at_inlines(inlines)
	for n = 3, #inlines do
		local left, right = inlines[n - 2], inlines[n]
		if is_space(inlines[n - 1]) and right.t == 'Str' and not is_minus(right, inlines[n + 2]) then
			look_at_pair(left.t == 'Str' and left.text or '', right.text)
		end
	end
end

-- Quotes that pandoc has found a pair for are no part of a word.
local function look_at_word(str)
	local text = str.text
	if text:find('["\']') then
		slip('a straight quote', text:match('^[^"\']*'))
	elseif text:find('“') or text:find('”') or text:find('‘') then
		slip('a quote without its other', (text:gsub('“', '"'):gsub('”', '"'):gsub('‘', "'")))
	elseif text:find('%.%.') then
		slip('dots', text)
	elseif text:find('[^s]iz[ei]') then
		slip('not as the British', text)
	end
end

local function look_at_heading(header)
	for n, inline in ipairs(header.content) do
		local word = inline.t == 'Str' and inline.text:match('^(%u%l+)%p*$')
		if n > 1 and word and not names[word] then
			slip('a capital in a heading', word)
		elseif n == 1 and inline.t == 'Str' and inline.text:match('^%l') then
			slip('a heading begins small', inline.text)
		end
	end
end

local function look_at_list(list)
	if list.start ~= 1 then
		slip('a number that begins a line begins a list', list.start .. '.')
	end
end

-- Where two spaces belong to code, the line is let alone.
local function has_code(line)
	return spans:find_if(function(span)
		return line:find(span, 1, true)
	end)
end

local function look_at_line(line, number)
	local bare = line:match('^%s*(.-)%s*$')
	if line:match('%s$') then
		slip('a space at the end', bare, number)
	elseif code[bare] or bare:match('^[|`]') then
		return
	elseif utf8.len(line) > 100 and not line:find('](', 1, true) then
		slip('longer than 100', bare, number)
	elseif not has_code(line) and bare:match('%S  +%S') then
		slip('two spaces', bare, number)
	end
end

function Pandoc(text)
	for line in io.lines(file) do
		table.insert(lines, line)
	end
	text:walk({ CodeBlock = function(block)
		for line in (block.text .. '\n'):gmatch('%s*(.-)%s*\n') do
			code[line] = true
		end
	end, Code = function(span)
		if span.text:find('  ') then
			spans:insert(span.text)
		end
	end })
	for number, line in ipairs(lines) do
		look_at_line(line, number)
	end
	text:walk({ Inlines = look_at_inlines, Str = look_at_word, Header = look_at_heading,
		OrderedList = look_at_list })
	return pandoc.Pandoc(slips:map(function(words)
		return pandoc.Plain(pandoc.Str(words))
	end))
end
