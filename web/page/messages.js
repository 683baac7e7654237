// All words of the page, in English and Chinese; the browser's language chooses. What is in
// index.html by data-t and its kin is put there by translate.

const en = {
  description: "Comments that fly across everyone's screen at once.",
  rooms: 'Rooms', roomName: 'Name of a room', anotherRoom: 'Join a room…', join: 'Join', leaveRoom: 'Leave {room}',
  unread: '{count} unread',
  watching: 'watching', chat: 'Chat', people: 'People', comments: 'Comments', latest: 'Latest comments',
  showChat: 'Chat list', toNewest: 'Newest comments',
  light: 'Light theme', dark: 'Dark theme', fullScreen: 'Full screen', video: 'Open a video', look: 'How comments fly',
  stage: 'Video and comments', welcome: 'Say something.', welcomeMore: 'It flies across every screen in the room.',
  name: 'Name', anonymous: 'anonymous', colour: 'Colour', position: 'Position', style: 'Name, colour, position',
  white: 'White', rose: 'Rose', amber: 'Amber', yellow: 'Yellow', green: 'Green', cyan: 'Cyan', violet: 'Violet',
  scroll: 'Flying', top: 'At the top', bottom: 'At the bottom',
  comment: 'Comment', commentHint: 'Send a comment flying…', send: 'Send',
  slow: 'Slow down: too many comments at once.', notConnected: 'Not connected: your comment waits here.',
  rocket: 'Rocket', heart: 'Heart', like: 'Like', giveRocket: 'Give a rocket', giveHeart: 'Give a heart', gaveRocket: 'gives a rocket', gaveHeart: 'gives a heart',
  likes: '{count} likes',
  pending: 'sending…', failed: 'not sent: {why}', aCommentFailed: 'A comment was not sent: {why}', retry: 'Send again',
  idle: 'not connected', connecting: 'connecting…', open: 'connected', waiting: 'reconnecting', asleep: 'asleep', offline: 'offline',
  stopped: 'disconnected: {reason}', inSeconds: ' in {count} s', now: 'Now', reconnect: 'Reconnect',
  refused: 'refused by the server', removed: 'taken out of the room',
  tokenTitle: 'This server asks who you are', token: 'Your token', enter: 'Enter', close: 'Close',
  tokenEmpty: 'Paste the token that you were given.', tokenWrong: 'A token has no blanks, slashes or quotes in it.',
  roomEmpty: 'A room needs a name.', roomLong: "A room's name is too long: it has {most} bytes at most.",
  roomBegin: "A room's name cannot begin so.", roomBlanks: "A room's name cannot contain blanks.",
  roomCharacter: "A room's name cannot contain the character {character}.", roomStar: "A room's name cannot contain *.",
  missingOne: 'One comment is missing: {why}.', missingCount: '{count} comments are missing: {why}.',
  missingUpTo: 'Up to {count} comments are missing: {why}.', missing: 'Comments are missing: {why}.',
  trimmed: 'older than the room remembers', epoch: 'the room began anew', slowConnection: 'this connection was too slow',
  overloaded: 'the server was too busy', large: 'there were too many to fetch', away: 'this page was away',
  nobody: 'Nobody with a name is here.', moreAnonymous: 'and {count} without a name', morePeople: 'and others',
  notListed: 'Who is here is not told over this connection.',
  videoTitle: 'Open a video', videoFile: 'A file of this device', videoAddress: 'or an address (HLS, FLV, MP4)', openVideo: 'Open', closeVideo: 'Back to the sky',
  videoWrong: 'That is no address of a video: it begins with https://.', videoFailed: 'The video cannot be played: {why}',
  opacity: 'Opacity', area: 'Area', speed: 'Speed', size: 'Size', density: 'Density',
  noScript: 'This page needs JavaScript to show live comments.',
};

const zh = {
  description: '弹幕同时飞过每个人的屏幕。',
  rooms: '房间', roomName: '房间名', anotherRoom: '加入房间…', join: '加入', leaveRoom: '离开 {room}',
  unread: '{count} 条未读',
  watching: '人在看', chat: '聊天', people: '观众', comments: '弹幕', latest: '最新弹幕',
  showChat: '聊天列表', toNewest: '回到最新',
  light: '浅色主题', dark: '深色主题', fullScreen: '全屏', video: '打开视频', look: '弹幕设置',
  stage: '视频与弹幕', welcome: '说点什么吧。', welcomeMore: '它会飞过房间里的每一块屏幕。',
  name: '昵称', anonymous: '匿名', colour: '颜色', position: '位置', style: '昵称、颜色、位置',
  white: '白', rose: '玫红', amber: '琥珀', yellow: '黄', green: '绿', cyan: '青', violet: '紫',
  scroll: '滚动', top: '顶部', bottom: '底部',
  comment: '弹幕', commentHint: '发条弹幕吧…', send: '发送',
  slow: '发得太快了，请慢一点。', notConnected: '未连接：弹幕先留在这里。',
  rocket: '火箭', heart: '爱心', like: '点赞', giveRocket: '送火箭', giveHeart: '送爱心', gaveRocket: '送出火箭', gaveHeart: '送出爱心',
  likes: '{count} 个赞',
  pending: '发送中…', failed: '未发出：{why}', aCommentFailed: '有一条弹幕未发出：{why}', retry: '重发',
  idle: '未连接', connecting: '连接中…', open: '已连接', waiting: '重新连接', asleep: '休眠', offline: '离线',
  stopped: '已断开：{reason}', inSeconds: '，{count} 秒后', now: '立即重连', reconnect: '重新连接',
  refused: '被服务器拒绝', removed: '已被移出房间',
  tokenTitle: '服务器想知道你是谁', token: '你的令牌', enter: '进入', close: '关闭',
  tokenEmpty: '请粘贴你拿到的令牌。', tokenWrong: '令牌里没有空格、斜杠或引号。',
  roomEmpty: '房间需要一个名字。', roomLong: '房间名太长：最多 {most} 字节。',
  roomBegin: '房间名不能这样开头。', roomBlanks: '房间名不能有空格。',
  roomCharacter: '房间名不能有字符 {character}。', roomStar: '房间名不能有 *。',
  missingOne: '缺少 1 条弹幕：{why}。', missingCount: '缺少 {count} 条弹幕：{why}。',
  missingUpTo: '最多缺少 {count} 条弹幕：{why}。', missing: '缺少一些弹幕：{why}。',
  trimmed: '早于房间的记忆', epoch: '房间重新开始了', slowConnection: '此连接太慢',
  overloaded: '服务器太忙', large: '太多，无法补全', away: '此页面离开过',
  nobody: '这里没有实名的观众。', moreAnonymous: '另有 {count} 位匿名观众', morePeople: '以及其他人',
  notListed: '此连接方式无法列出观众。',
  videoTitle: '打开视频', videoFile: '本机文件', videoAddress: '或网址（HLS、FLV、MP4）', openVideo: '打开', closeVideo: '回到星空',
  videoWrong: '这不是视频网址：应以 https:// 开头。', videoFailed: '无法播放视频：{why}',
  opacity: '不透明度', area: '显示区域', speed: '速度', size: '字号', density: '密度',
  noScript: '此页面需要 JavaScript 才能显示实时弹幕。',
};

export const words = { en, zh };

export const language = globalThis.navigator?.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en';

// t is a text in the visitor's language; {name} in it stands for values.name.
export function t(key, values = {}) {
  return words[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function number(n) {
  return n.toLocaleString(language);
}

// translate puts the texts into the page, and into what is read of it aloud.
export function translate(document) {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const element of document.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll('[data-t-placeholder]')) element.placeholder = t(element.dataset.tPlaceholder);
  for (const element of document.querySelectorAll('[data-t-label]')) name(element, t(element.dataset.tLabel));
  document.querySelector('meta[name="description"]').content = t('description');
}

// name gives an element a name of which nothing is seen but a hint.
export function name(element, text) {
  element.ariaLabel = text;
  if (element.tagName === 'BUTTON') element.title = text;
}
