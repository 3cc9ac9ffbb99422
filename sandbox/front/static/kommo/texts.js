/* The texts of the simulated pages themselves, in the language of whoever looks. */
define(['./environment'], function (environment) {
  'use strict';
  var ALL = {
    pt: {
      widgets: 'Integrações', bots: 'Salesbot', chat: 'Chats', install: 'Instalar', uninstall: 'Desinstalar',
      save: 'Salvar', installed: 'Instalado', not_installed: 'Não instalado', upload: 'Enviar arquivo .zip',
      consent: 'Concordo em compartilhar os dados da conta com esta integração', support: 'Suporte',
      failed: 'Não foi possível salvar', admins_only: 'Somente administradores podem alterar integrações.',
      new_bot: 'Novo bot', steps: 'Passos', add: 'Adicionar', message: 'Mensagem', pause: 'Pausa',
      until_message: 'Até receber uma mensagem', condition: 'Condição', then: 'Depois', holds: 'Se for verdade',
      otherwise: 'Se não', bot_ends: 'Fim do bot', saved: 'Bot salvo', remove: 'Remover', trigger: 'Iniciar',
      every_message: 'a cada mensagem recebida', new_conversation: 'em cada nova conversa', start: 'Início do bot',
      send: 'Enviar', name: 'Nome do cliente', open_chat: 'Abrir conversa', choose_field: 'Escolha um campo',
      no_widget: 'Nenhuma integração. Envie o arquivo do widget.', step: 'Passo',
    },
    es: {
      widgets: 'Integraciones', bots: 'Salesbot', chat: 'Chats', install: 'Instalar', uninstall: 'Desinstalar',
      save: 'Guardar', installed: 'Instalado', not_installed: 'No instalado', upload: 'Subir archivo .zip',
      consent: 'Acepto compartir los datos de la cuenta con esta integración', support: 'Soporte',
      failed: 'No se pudo guardar', admins_only: 'Solo los administradores pueden cambiar integraciones.',
      new_bot: 'Nuevo bot', steps: 'Pasos', add: 'Agregar', message: 'Mensaje', pause: 'Pausa',
      until_message: 'Hasta recibir un mensaje', condition: 'Condición', then: 'Después', holds: 'Si se cumple',
      otherwise: 'Si no', bot_ends: 'Fin del bot', saved: 'Bot guardado', remove: 'Eliminar', trigger: 'Iniciar',
      every_message: 'con cada mensaje recibido', new_conversation: 'en cada conversación nueva',
      start: 'Inicio del bot', send: 'Enviar', name: 'Nombre del cliente', open_chat: 'Abrir conversación',
      choose_field: 'Elija un campo', no_widget: 'Ninguna integración. Suba el archivo del widget.', step: 'Paso',
    },
    en: {
      widgets: 'Integrations', bots: 'Salesbot', chat: 'Chats', install: 'Install', uninstall: 'Uninstall',
      save: 'Save', installed: 'Installed', not_installed: 'Not installed', upload: 'Upload a .zip archive',
      consent: 'I agree to share the data of this account with this integration', support: 'Support',
      failed: 'It could not be saved', admins_only: 'Only administrators can change integrations.',
      new_bot: 'New bot', steps: 'Steps', add: 'Add', message: 'Message', pause: 'Pause',
      until_message: 'Until a message is received', condition: 'Condition', then: 'Then', holds: 'If it holds',
      otherwise: 'Otherwise', bot_ends: 'End of the bot', saved: 'Bot saved', remove: 'Remove', trigger: 'Start',
      every_message: 'with every message received', new_conversation: 'with every new conversation',
      start: 'Start of the bot', send: 'Send', name: "Client's name", open_chat: 'Open a conversation',
      choose_field: 'Choose a field', no_widget: 'No integration. Upload the archive of the widget.', step: 'Step',
    },
  };
  return ALL[environment.user.language];
});
