// SPDX-License-Identifier: GPL-2.0
// What the page can do besides: search, copying code, a switch for light and dark,
// stepping through a figure, and the place where the reader is, in the contents.
'use strict';

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// make('a', { href: '#x' }, 'text', node): an element and what is in it
function make(tag, properties, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

// ---- light and dark: as the system has it, until the button is used ----

const root = document.documentElement;
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

// A page that was opened from a file may not be allowed to remember.
function stored(theme) {
	try {
		if (theme)
			localStorage.theme = theme;
		return localStorage.theme || '';
	} catch {
		return '';
	}
}

function other() {
	const theme = root.style.colorScheme || (systemIsDark.matches ? 'dark' : 'light');
	return theme === 'dark' ? 'light' : 'dark';
}

function use(theme) {
	root.style.colorScheme = theme;
	byId('theme').textContent = other() === 'dark' ? 'Dark' : 'Light';
}

byId('theme').onclick = () => {
	const theme = other();
	stored(theme);
	use(theme);
};
systemIsDark.onchange = () => use(stored());
use(stored());

// ---- copying code ----

for (const pre of all('pre')) {
	const button = make('button', { type: 'button' }, 'Copy');
	button.onclick = async () => {
		try {
			await navigator.clipboard.writeText(pre.textContent);
			button.textContent = 'Copied';
		} catch {
			getSelection().selectAllChildren(pre);
			button.textContent = 'Selected';
		}
		setTimeout(() => { button.textContent = 'Copy'; }, 1500);
	};
	const box = make('div', { className: 'code' });
	pre.replaceWith(box);
	box.append(pre, button);
}

// ---- what is wider than the page scrolls, by keyboard, too ----

onresize = () => {
	for (const box of all('pre, table')) {
		if (box.scrollWidth > box.clientWidth)
			box.tabIndex = 0;
		else
			box.removeAttribute('tabindex');
	}
};
onresize();

// ---- search: the sections that have all of the words ----

const sections = all('main section[id]').map((section) => {
	const heading = section.firstElementChild.textContent;
	const text = [...section.children].slice(1).filter((child) => child.tagName !== 'SECTION')
		.map((child) => child.textContent).join(' ').replace(/\s+/g, ' ');
	return { id: section.id, heading, text, low: (heading + ' ' + text).toLowerCase() };
});

// Some words around the first place, which is marked.
function excerpt(text, word) {
	const at = text.toLowerCase().indexOf(word);
	if (at < 0)
		return [text.slice(0, 90) + '…'];
	const from = Math.max(0, at - 40);
	return [(from ? '…' : '') + text.slice(from, at), make('mark', {}, text.slice(at, at + word.length)),
		text.slice(at + word.length, at + word.length + 50) + '…'];
}

function search(query) {
	const words = query.toLowerCase().split(/\s+/).filter(Boolean);
	const found = words.length ? sections.filter(({ low }) => words.every((word) => low.includes(word))) : [];
	byId('toc').hidden = words.length > 0;
	byId('found').hidden = !words.length;
	byId('found').replaceChildren(...found.map(({ id, heading, text }) =>
		make('li', {}, make('a', { href: '#' + id }, heading), make('p', {}, ...excerpt(text, words[0])))));
	document.querySelector('.count').textContent = words.length ? found.length + ' found' : '';
}

const input = document.querySelector('.tools input');
input.oninput = () => search(input.value);
document.querySelector('.tools').hidden = false;

// "/" goes to the search, as in many manuals.
document.onkeydown = (event) => {
	if (event.key !== '/' || event.target.matches('input') || event.ctrlKey || event.metaKey)
		return;
	event.preventDefault();
	location.hash = 'contents';
	input.focus();
};

// ---- a figure of frames: one at a time, in the order of the story that is chosen ----

// What stands in an image, as a part of the page.
function drawing(image) {
	const text = decodeURIComponent(image.src.slice(image.src.indexOf(',') + 1));
	return document.adoptNode(new DOMParser().parseFromString(text, 'image/svg+xml').documentElement);
}

// A frame is a group with a name, and its desc says what happens in it; a story is a text
// that counts its frames up.
function storiesOf(svg) {
	const frames = all(':scope > g[id]', svg);
	return all('[data-frames]', svg).map((text) => ({
		name: text.textContent,
		frames: text.dataset.frames.split(' ').map((number) => frames[number - 1]),
	}));
}

// All of the drawing is there, and as much as the frame is seen of it.
function look(svg, frame) {
	const { x, y, width, height } = frame.getBBox();
	svg.setAttribute('viewBox', [x + 1, y + 1, width - 2, height - 2].join(' '));
}

const knob = (text, onclick) => make('button', { type: 'button', onclick }, text);

// The image stays, for paper.
function play(figure) {
	const svg = drawing(figure.querySelector('img'));
	const title = svg.querySelector('title');
	const says = make('p', { className: 'says', id: title.id + '-says' });
	const stories = storiesOf(svg);
	let { frames } = stories[0], at = 0;

	function show(to) {
		at = Math.min(Math.max(to, 0), frames.length - 1);
		look(svg, frames[at]);
		says.replaceChildren(make('b', {}, 'Frame ' + (at + 1) + ' of ' + frames.length + '.'), ' ',
			frames[at].querySelector('desc').textContent);
		stories.forEach((story) => { story.knob.ariaPressed = story.frames === frames; });
		back.ariaDisabled = at === 0;
		on.ariaDisabled = at === frames.length - 1;
	}

	for (const story of stories) {
		story.knob = knob(story.name, () => {
			({ frames } = story);
			show(at);
		});
	}
	const back = knob('Previous', () => show(at - 1));
	const on = knob('Next', () => show(at + 1));
	const box = make('div', { className: 'player', role: 'group', ariaLabel: title.textContent },
		make('div', { className: 'stories' }, ...stories.map((story) => story.knob)), svg, says,
		make('div', { className: 'steps' }, back, on));
	box.onkeydown = ({ key }) => {
		if (key === 'ArrowLeft' || key === 'ArrowRight')
			show(at + (key === 'ArrowRight' ? 1 : -1));
	};
	svg.setAttribute('aria-labelledby', says.id);
	figure.prepend(box);
	figure.classList.add('played');
	show(0);
	says.role = 'status'; // what stands there from the beginning is not news
}

all('figure.frames').forEach(play);

// ---- where the contents are a page of their own, back to where the reader was ----

let place = 0;
document.querySelector('.to-contents').onclick = () => { place = scrollY; };
document.querySelector('.to-text').onclick = () => setTimeout(() => scrollTo(0, place));

// ---- where the reader is ----

const links = new Map(all('#toc a').map((link) => [link.hash.slice(1), link]));
const inView = new IntersectionObserver((entries) => {
	for (const { target, isIntersecting } of entries) {
		if (!isIntersecting)
			continue;
		all('#toc [aria-current]').forEach((link) => link.removeAttribute('aria-current'));
		links.get(target.id).setAttribute('aria-current', 'location');
	}
}, { rootMargin: '0px 0px -80% 0px' });
all('main section[id]').filter(({ id }) => links.has(id)).forEach((section) => inView.observe(section));
