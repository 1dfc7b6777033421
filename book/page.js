// SPDX-License-Identifier: GPL-2.0
// What the page can do besides: search, copying code, a switch for light and dark, and
// the place where the reader is, in the contents.
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
	if (pre.scrollWidth > pre.clientWidth)
		pre.tabIndex = 0;
}

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
