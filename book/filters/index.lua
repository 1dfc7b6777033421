-- SPDX-License-Identifier: GPL-2.0
-- The index of the printed book: each function, wherever the text mentions it.

if FORMAT ~= 'latex' then
	return {}
end

local function entry(code)
	if not code.text:match('^[%a_][%w_]*%(%)$') then
		return nil
	end
	local shown = code.text:gsub('_', '\\_\\mayb{}')
	return { code, pandoc.RawInline('latex', '\\index{' .. code.text .. '@\\code{' .. shown .. '}}') }
end

-- Not where it is in a heading: LaTeX would carry it to other places.
return {
	{
		traverse = 'topdown',
		Header = function(header)
			return header, false
		end,
		Code = entry,
	},
}
