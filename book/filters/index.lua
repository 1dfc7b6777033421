-- SPDX-License-Identifier: GPL-2.0
-- The index of the printed book: each function, constant, errno and type, wherever the
-- text mentions it; and each term of the glossary, there, where the text stresses it, and
-- if it has several words, where a chapter first has it.

if FORMAT ~= 'latex' then
	return {}
end

local words = {} -- the terms, as they are listed
local seen = {}  -- of this chapter

local function entry(listed, shown)
	return pandoc.RawInline('latex', '\\index{' .. listed .. (shown and '@' .. shown or '') .. '}')
end

-- What code is listed as: a function without its arguments, an errno without its sign.
local function name(text)
	local called = text:match('^([%a_][%w_]*)%(.*%)$')
	if called then
		return called ~= 'function' and called .. '()' or nil
	end
	return text:match('^%-?(E%u+)$') or text:match('^%u[%u%d]*_[%u%d_]+$') or text:match('^%l[%l%d_]*_t$')
end

local function code(listed)
	return entry(listed, '\\code{' .. listed:gsub('_', '\\_\\mayb{}') .. '}')
end

-- "bounce buffers", "cleaned" and "invalidates" are of a term, too.
local function term(text)
	local found
	for _, word in ipairs(words) do
		local stem = word:lower():gsub('e$', '')
		if text:sub(1, #stem) == stem and #text < #word + 5 and #word > #(found or '') then
			found = word
		end
	end
	return found and entry(found)
end

-- Behind what is stressed, and not in it: there, LaTeX would write them in another way.
local function stressed(element)
	local found = pandoc.List({ element, term(pandoc.utils.stringify(element):lower()) })
	pandoc.Span(element):walk({ Code = function(inner)
		found:insert(name(inner.text) and code(name(inner.text)))
	end })
	return found, false
end

local function mentions(paragraph)
	local text = ' ' .. pandoc.utils.stringify(paragraph):lower()
	for _, word in ipairs(words) do
		if word:find(' ') and not seen[word] and text:find(' ' .. word:lower(), 1, true) then
			seen[word] = true
			paragraph.content:insert(1, entry(word))
		end
	end
	return paragraph
end

local function glossary(list)
	local items = list.content
	for _, item in ipairs(items) do
		local listed = pandoc.utils.stringify(item[1])
		local is_code = item[1][1].content and item[1][1].content[1].t == 'Code'
		item[2][1]:insert(1, pandoc.Plain(is_code and code(listed) or entry(listed)))
		if not is_code then
			table.insert(words, listed)
		end
	end
	list.content = items
	return list
end

-- Not in a heading, nor in a term: LaTeX would carry it to other places.
local function leave(element)
	seen = element.level == 1 and {} or seen
	return element, false
end

local filter = {
	traverse = 'topdown',
	Header = leave,
	Para = mentions,
	Code = function(element)
		local listed = name(element.text)
		return listed and { element, code(listed) } or nil
	end,
	Emph = stressed,
	Strong = stressed,
}

function filter.DefinitionList(list)
	local items = list.content
	for _, item in ipairs(items) do
		for n, blocks in ipairs(item[2]) do
			item[2][n] = pandoc.Blocks(blocks):walk(filter)
		end
	end
	list.content = items
	return list, false
end

return { { DefinitionList = glossary }, filter }
