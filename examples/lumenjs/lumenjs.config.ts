export default { title: 'Chat', integrations: ['socketio'] };
