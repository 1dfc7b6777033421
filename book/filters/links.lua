-- SPDX-License-Identifier: GPL-2.0
-- Links inside: to a file of the chapter, to a heading of one, or to what has an id. In
-- the book, all are in one document. Two headings of one name would have one address.

local book = dofile('book/filters/lib.lua')

local ids = {}   -- each address, and which file it is of
local first = {} -- of each file, by its name

local function note(id, file, words)
	if ids[id] then
		book.die('"' .. words .. '" is the name of two headings, in ' .. ids[id] .. ' and in ' .. file,
			'# ' .. words)
	end
	ids[id] = file
	first[file] = first[file] or id
end

for _, path in ipairs(PANDOC_STATE.input_files) do
	local file = path:match('[^/]*$')
	pandoc.read(book.read(path), 'markdown+gfm_auto_identifiers').blocks:walk({
		Header = function(header)
			note(header.identifier, file, pandoc.utils.stringify(header))
		end,
	})
end

local function target(link)
	local file, id = link:match('^([^#]*)#?(.*)$')
	if file == '' then
		return ids[id] and id
	elseif id == '' then
		return first[file]
	end
	return ids[id] == file and id
end

local function note_id(element)
	if element.identifier ~= '' then
		ids[element.identifier] = ids[element.identifier] or ''
	end
end

return {
	{ Div = note_id, Span = note_id, Image = note_id, CodeBlock = note_id },
	{
		Link = function(link)
			if link.target:match('^%a+:') then
				return nil
			end
			local id = target(link.target)
			local source = link.target:match('^#ref%-(.*)')
			if not id and source then
				book.die('there is no source "' .. source .. '"', '@' .. source)
			end
			if not id then
				book.die('the link to "' .. link.target .. '" leads nowhere', '(' .. link.target .. ')')
			end
			link.target = '#' .. id
			return link
		end,
	},
}
