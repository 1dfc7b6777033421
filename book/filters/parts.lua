-- SPDX-License-Identifier: GPL-2.0
-- A part of a file of the workbook: from the line that begins so to the one that ends
-- it, which begins with "}", and the comment right above it:
--
--	``` {.c file="labs/lab-2-dma-mmap/driver/dma_mmap.h" part="struct dma_mmap_copy"}
--	```

local book = dofile('book/filters/lib.lua')

local function cut(text, part)
	local above, found = {}, nil
	for line in text:gmatch('([^\n]*)\n') do
		if found then
			table.insert(found, line)
		elseif line:sub(1, #part) == part then
			found = above
			table.insert(found, line)
		elseif line:match('^/?%s?%*') then
			if line:match('^/%*') then
				above = {}
			end
			table.insert(above, line)
		else
			above = {}
		end
		if found and line:match('^}') then
			return table.concat(found, '\n')
		end
	end
	return nil
end

function CodeBlock(code)
	local file, part = code.attributes.file, code.attributes.part
	if not file then
		return nil
	end
	local text = book.read(file)
	if not text then
		book.die('there is no file "' .. file .. '"', file)
	end
	code.text = part and cut(text, part) or
		book.die(file .. ' has no part "' .. tostring(part) .. '"', file, part)
	return book.listing({ pandoc.Code(file) }, code)
end
