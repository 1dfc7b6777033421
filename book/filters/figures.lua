-- SPDX-License-Identifier: GPL-2.0
-- Figures. A paragraph of one image is a figure, with its title as the caption:
--
--	![What somebody is told who cannot see it.](figures/name.svg "The caption")
--
-- Its master is SVG: book/make has made PDF of it for LaTeX; in HTML it is part of the
-- page. One with frames fills the line on paper; book/page.js steps through them.

local book = dofile('book/filters/lib.lua')
local figures = 0

local function source(image)
	local file = 'chapter-9/' .. image.src
	local svg = book.read(file)
	if not svg then
		book.die('there is no image "' .. image.src .. '"', image.src)
	end
	if not pandoc.utils.stringify(image.caption):match('%S') then
		book.die('the image "' .. image.src .. '" has no text for who cannot see it', image.src)
	end
	if FORMAT == 'latex' then
		return (image.src:gsub('%.svg$', '.pdf'))
	elseif FORMAT:match('^html') and file:match('%.svg$') then
		return 'data:image/svg+xml,' .. svg:gsub('[%%#<>"\n&]', function(c)
			return string.format('%%%02X', c:byte())
		end)
	end
	return image.src
end

-- In UTF-16, as a PDF has it.
local function hex(text)
	local out = 'FEFF'
	for _, code in utf8.codes(text) do
		out = out .. (code < 0x10000 and string.format('%04X', code) or
			string.format('%04X%04X', 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)))
	end
	return out
end

local function with_source(image)
	image.src = source(image)
	return image
end

local function caption(title)
	figures = figures + 1
	local text = pandoc.utils.blocks_to_inlines(pandoc.read(title, 'markdown').blocks)
	if FORMAT ~= 'latex' then
		text:insert(1, pandoc.Strong('Figure ' .. figures .. '.'))
		text:insert(2, pandoc.Space())
	end
	return text
end

local function raw(text)
	return pandoc.RawInline(FORMAT == 'latex' and 'latex' or 'html', text)
end

local function has_frames(image)
	return (book.read('chapter-9/' .. image.src) or ''):find(' data-frames="', 1, true)
end

local function figure(image)
	local title, id, frames = image.title, image.identifier, has_frames(image)
	image.title, image.identifier = '', ''
	if title == '' then
		book.die('the image "' .. image.src .. '" has no title, which is its caption', image.src)
	end
	local inlines = pandoc.List()
	if FORMAT == 'latex' then
		image.attributes.width = frames and '100%' or nil
		inlines:insert(raw('\\begin{figure}\n\\centering\n'))
		inlines:insert(raw('\\described{' .. hex(pandoc.utils.stringify(image.caption)) .. '}{'))
		inlines:insert(with_source(image))
		inlines:insert(raw('}\n\\caption{'))
		inlines:extend(caption(title))
		inlines:insert(raw('}' .. (id ~= '' and '\\hypertarget{' .. id .. '}{}' or '') .. '\n\\end{figure}'))
	else
		inlines:insert(raw('<figure' .. (frames and ' class="frames"' or '') .. (id ~= '' and ' id="' .. id .. '"' or '') .. '>'))
		inlines:insert(with_source(image))
		inlines:insert(raw('<figcaption>'))
		inlines:extend(caption(title))
		inlines:insert(raw('</figcaption></figure>'))
	end
	return pandoc.Plain(inlines)
end

return {
	{
		traverse = 'topdown',
		Para = function(para)
			if #para.content == 1 and para.content[1].t == 'Image' then
				return figure(para.content[1]), false
			end
		end,
		Image = function(image)
			return with_source(image), false
		end,
	},
}
