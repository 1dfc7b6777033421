// SPDX-License-Identifier: GPL-2.0
// What readers do with the page: tests/lib/browser.sh puts this at its end and opens it.
// A check throws what is wrong; that is the verdict.
'use strict';
{
const those = (selector, from = document) => [...from.querySelectorAll(selector)];
const that = (selector, from) => those(selector, from)[0];
const isSeen = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 0;
const moment = () => new Promise((resolve) => { setTimeout(resolve, 50); });

function expect(right, otherwise) {
	if (!right)
		throw otherwise;
}

// ---- the figure that is stepped through ----

// The number of the frame that fills the drawing, from corner to corner.
function frameSeen(svg) {
	svg.scrollIntoView({ block: 'center' });
	const { left, top, right, bottom } = svg.getBoundingClientRect();
	const names = [[left + 6, top + 6], [right - 6, bottom - 6], [(left + right) / 2, (top + bottom) / 2]]
		.map(([x, y]) => document.elementFromPoint(x, y)?.closest('svg > g[id]')?.id);
	expect(names[0] && names.every((name) => name === names[0]), 'no frame fills the drawing: ' + names);
	return names[0].replace(/.*-/, '');
}

function isTold(player, at, of, number) {
	const svg = that('svg', player), says = that('[role=status]', player).textContent;
	expect(frameSeen(svg) === number, 'frame ' + frameSeen(svg) + ' is seen, not ' + number);
	expect(says.startsWith('Frame ' + at + ' of ' + of + '.'), 'it says: ' + says);
	expect(says.endsWith(that('g[id$="-' + number + '"] > desc', svg).textContent), 'not of ' + number + ': ' + says);
	expect(/the (CPU|device)'s/.test(says), 'nobody owns the buffers: ' + says);
}

function press(key) {
	document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
}

// On by the button and back by the arrow key; neither leads out at the ends.
function walk(player, story) {
	const [back, on] = those('.steps button', player);
	const told = story.split(' ');
	told.forEach(() => back.click());
	told.forEach((number, at) => {
		isTold(player, at + 1, told.length, number);
		on.click();
	});
	expect(on.ariaDisabled === 'true', 'at its end, a story seems to go on');
	on.focus();
	told.toReversed().forEach((number, past) => {
		isTold(player, told.length - past, told.length, number);
		press('ArrowLeft');
	});
	expect(back.ariaDisabled === 'true', 'at its beginning, a story seems to go back');
	isTold(player, 1, told.length, told[0]);
	press('ArrowRight');
	isTold(player, 2, told.length, told[1]);
}

function stepping() {
	const player = that('figure.frames .player');
	expect(!isSeen(that('figure.frames img')), 'the frames are there twice');
	for (const knob of those('button', player))
		expect(knob.tabIndex === 0 && isSeen(knob), knob.textContent + ' cannot be had by keyboard');
	const stories = those('[data-frames]', player), choices = those('.stories button', player);
	expect(stories.length === 3 && choices.length === 3, 'there are not three stories');
	stories.forEach((story, number) => {
		choices[number].click();
		expect(choices.every((choice, at) => choice.ariaPressed === String(at === number)), 'not pressed');
		walk(player, story.dataset.frames);
	});
}

// ---- searching and copying ----

function find(words) {
	const input = that('input[type=search]');
	input.value = words;
	input.dispatchEvent(new Event('input'));
	return those('#found a').filter(isSeen);
}

function searching() {
	document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));
	expect(document.activeElement === that('input[type=search]'), '"/" does not lead to the search');
	const found = find('SWIOTLB bounce');
	expect(found.length > 0, 'nothing is found');
	for (const { hash } of found)
		expect(/swiotlb[^]*bounce|bounce[^]*swiotlb/i.test(that(hash).textContent), hash + ' does not have it');
	expect(that('.count').textContent === found.length + ' found', 'it counts wrong');
	expect(find('nosuchword').length === 0 && that('.count').textContent === '0 found', 'what is not there is found');
	find('');
	expect(isSeen(that('#toc')), 'the contents do not come back');
}

async function copying() {
	let copied = '';
	Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { copied = text; } } });
	for (const pre of those('pre')) {
		const knob = that('button', pre.parentElement);
		expect(knob && knob.parentElement === pre.parentElement, 'code without a button: ' + pre.textContent.slice(0, 40));
		knob.click();
		await Promise.resolve();
		await Promise.resolve();
		expect(copied === pre.textContent && knob.textContent === 'Copied', 'not copied: ' + pre.textContent.slice(0, 40));
	}
	navigator.clipboard.writeText = () => Promise.reject();
	that('.code button').click();
	await moment();
	expect(getSelection().toString().trim() === that('pre').textContent.trim(), 'what cannot be copied is not selected');
}

// ---- how it is laid out ----

function fits() {
	const width = document.documentElement.clientWidth;
	const wide = those('body *').filter((element) => element.getBoundingClientRect().right > width + 1 &&
		!element.closest('pre, table, svg, .frames:not(.played)'));
	expect(document.documentElement.scrollWidth <= width && !wide.length,
		'wider than ' + width + ': ' + wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 80)));
}

// On a phone, the contents come when they are asked for, and go when a place is chosen.
async function onPhone() {
	fits();
	expect(!isSeen(that('#contents')), 'the contents are in the way');
	that('.to-contents').click();
	await moment();
	expect(isSeen(that('#toc a')) && isSeen(that('input[type=search]')), 'the contents do not come');
	fits();
	that('#toc li li a').click();
	await moment();
	expect(!isSeen(that('#contents')), 'the contents stay');
}

// Without its script, all is there to be read, and nothing that does nothing.
async function bare() {
	fits();
	for (const image of those('img')) {
		await image.decode();
		expect(isSeen(image), 'a figure is not seen: ' + image.alt);
	}
	const frames = that('.frames img'), { width, height } = frames.getBoundingClientRect();
	expect(height > 1.2 * width && width > 500, 'not all frames are seen: ' + width + ' x ' + height);
	expect(those('#toc a').every(isSeen) && that('#contents').getBoundingClientRect().left === 0, 'no contents at the side');
	expect(!those('button, input').some(isSeen), 'there is a button that does nothing');
}

// What axe-core calls serious or critical, light and dark.
async function access() {
	for (const theme of ['light', 'dark']) {
		document.documentElement.style.colorScheme = theme;
		const { violations, passes } = await axe.run({ resultTypes: ['violations'] });
		expect(passes.length > 20, 'axe-core has looked at next to nothing');
		const bad = violations.filter(({ impact }) => /serious|critical/.test(impact));
		expect(!bad.length, theme + ': ' + bad.map(({ help, nodes }) =>
			help + ': ' + nodes.slice(0, 3).map(({ html }) => html.slice(0, 120)).join(', ')).join('; '));
	}
}

const checks = { stepping, searching, copying, fits, onPhone, bare, access };
globalThis.check = async (name) => {
	let verdict = 'fine';
	try {
		await checks[name]();
	} catch (wrong) {
		verdict = String(wrong).replace(/\s+/g, ' ');
	}
	parent.postMessage(verdict, '*');
};

// Of pages that check themselves, each in a frame: a window is never narrower than 500 px.
globalThis.checkEach = async (pages) => {
	for (const [src, width, height] of pages) {
		const frame = Object.assign(document.createElement('iframe'), { src, width, height });
		const verdict = new Promise((resolve) => {
			onmessage = ({ data, source }) => source === frame.contentWindow && resolve(data);
			setTimeout(resolve, 60000, 'no verdict');
		});
		document.body.append(frame);
		that('pre').append(await verdict + '\n');
		frame.remove();
	}
};
}
