document.getElementById('text').textContent = 'This text came by a file.';
