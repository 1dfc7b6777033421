-- SPDX-License-Identifier: GPL-2.0
-- Code on paper cannot be scrolled: its lines are broken here, where LaTeX would let
-- them stand out. Of what the text mentions, a long word may be broken, too, and so it
-- may on a phone.

local breaks = '([_/.,=)(-])(%w%w)'

if FORMAT ~= 'latex' then
	local special = { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;' }
	return {
		{
			-- Not in a heading: what is raw is not carried to the contents.
			traverse = 'topdown',
			Header = function(header)
				return header, false
			end,
			Code = function(code)
				local text = code.text:gsub('[&<>]', special):gsub(breaks, '%1<wbr />%2')
					:gsub('%-&gt;', '<span style="white-space: nowrap">-&gt;</span>')
				return pandoc.RawInline('html', '<code>' .. text .. '</code>')
			end,
		},
	}
end

local columns = 80

-- Each tab to the next multiple of eight.
local function expand(line)
	local out = ''
	for text, tab in line:gmatch('([^\t]*)(\t?)') do
		out = out .. text
		if tab ~= '' then
			out = out .. string.rep(' ', 8 - utf8.len(out) % 8)
		end
	end
	return out
end

-- At the last space that leaves room; what follows is deeper than the line.
local function break_line(line, lines)
	local indent = line:match('^ *') .. '    '
	while utf8.len(line) > columns do
		local head = line:sub(1, utf8.offset(line, columns + 1) - 1)
		local at = head:match('^.*%S() +%S') or #head + 1
		if at <= #indent then
			at = #head + 1
		end
		table.insert(lines, line:sub(1, at - 1))
		line = indent .. line:sub(at):gsub('^ +', '')
	end
	table.insert(lines, line)
end

local special = {
	['\\'] = '\\textbackslash{}', ['~'] = '\\textasciitilde{}', ['^'] = '\\textasciicircum{}',
	['{'] = '\\{', ['}'] = '\\}', ['#'] = '\\#', ['$'] = '\\$', ['%'] = '\\%', ['&'] = '\\&',
	['_'] = '\\_', ['<'] = '\\textless{}', ['>'] = '\\textgreater{}',
}

return {
	{
		Meta = function(meta)
			columns = tonumber(pandoc.utils.stringify(meta['code-columns'])) or columns
		end,
	},
	{
		CodeBlock = function(code)
			local lines = {}
			for line in (code.text .. '\n'):gmatch('(.-)\n') do
				break_line(expand(line), lines)
			end
			code.text = table.concat(lines, '\n')
			return code
		end,
		Code = function(code)
			local text = code.text:gsub('[\\~^{}#$%%&_<>]', special)
			text = text:gsub(breaks, '%1\\mayb{}%2')
			return pandoc.RawInline('latex', '\\code{' .. text .. '}')
		end,
		Div = function(div)
			if div.classes:includes('caption') then
				div.content:insert(1, pandoc.RawBlock('latex', '\\begin{codecaption}'))
				div.content:insert(pandoc.RawBlock('latex', '\\end{codecaption}'))
				return div
			end
		end,
	},
}
