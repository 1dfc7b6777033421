-- SPDX-License-Identifier: GPL-2.0
-- What of a text is prose: no code, no addresses; with what its images say.

local function nothing()
	return {}
end

return { {
	-- In what an image says, names are not marked as code; and 1's is no word.
	Str = function(str)
		local text = str.text
		return (text:find('%d.*%a') or text:find('%a.*%d') or text:find('%w[_.=]%w') or
			text:find('()', 1, true)) and {} or nil
	end,
	Code = nothing,
	CodeBlock = nothing,
	RawInline = nothing,
	RawBlock = nothing,
	Cite = nothing,
	Link = function(link)
		if link.target == pandoc.utils.stringify(link) then
			return {}
		end
	end,
	Image = function(image)
		return { pandoc.Span(image.caption), pandoc.Space(), pandoc.Str(image.title) }
	end,
} }
