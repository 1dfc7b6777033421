-- SPDX-License-Identifier: GPL-2.0
-- Of a chapter, what its images say to who cannot see them: each a paragraph.

function Pandoc(chapter)
	local texts = pandoc.List()
	chapter:walk({ Image = function(image)
		texts:insert(pandoc.Para(pandoc.utils.stringify(image.caption)))
	end })
	return pandoc.Pandoc(texts)
end
